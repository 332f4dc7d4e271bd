# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""How the tests learn what the disks of a guest hold."""

import shlex
from typing import Any

from tempest import config
from tempest.common import compute
from tempest.lib import exceptions
from tempest.lib.common.utils import test_utils
from tempest.lib.common.utils.linux import remote_client

from nova_blockmig_tempest_plugin import reports

CONF = config.CONF

# Fills a file on the root disk, empties the caches and prints a digest of
# the file and one of every other disk, whole. What is mounted is unmounted:
# a mounted file system changes by itself.
PREPARE = """
for mount in $(sed -n 's:^/dev/vd[b-z][^ ]* \\([^ ]*\\).*:\\1:p' /proc/mounts)
do umount "$mount"; done
dd if=/dev/urandom of=/blockmig bs=1M count=8 2>/dev/null
for disk in /dev/vd[b-z]; do
    [ -b "$disk" ] || continue
    [ "$(cat /sys/block/${disk#/dev/}/ro)" = 0 ] || continue
    dd if=/dev/urandom of="$disk" bs=64k seek=512 count=16 2>/dev/null
done
sync
"""
LOOK = """
sync; echo 3 > /proc/sys/vm/drop_caches
for path in /blockmig /dev/vd[b-z] /dev/sr0; do
    [ -e "$path" ] && sha256sum "$path"
done
true
"""


class Guest:
    """A server, and what is known of its disks.

    :param disks: how many it has.
    """

    def __init__(
        self, client: Any, server: dict[str, Any], resources: Any, disks: int
    ) -> None:
        self.id: str = server['id']
        self.disks = disks
        self._client = client
        self._server = server
        self._resources = resources

    def start(self) -> None:
        """Wait for the guest, and let it write to its disks."""
        raise NotImplementedError

    def look(self) -> Any:
        """What the disks hold."""
        raise NotImplementedError

    def verify(self, before: Any, seconds: int) -> None:
        """Fail if a disk holds something else than before."""
        raise NotImplementedError


class ConsoleGuest(Guest):
    """Writes and verifies by itself; the console tells."""

    def _read(self) -> reports.Reports:
        console = self._client.get_console_output(self.id)['output']
        return reports.read(console, CONF.blockmig.console_report)

    def start(self) -> None:
        if not test_utils.call_until_true(
            lambda: reports.complete(self._read(), self.disks),
            CONF.blockmig.timeout,
            2,
        ):
            raise exceptions.TimeoutException(
                f'not {self.disks} disks are reported on the console: '
                f'{self._read()}'
            )

    def look(self) -> reports.Reports:
        return self._read()

    def verify(self, before: reports.Reports, seconds: int) -> None:
        if not before:
            raise AssertionError('there was nothing to compare with')
        test_utils.call_until_true(
            lambda: not reports.silent(before, self._read()), seconds, 2
        )
        if problems := reports.wrong(before, self._read()):
            raise AssertionError('; '.join(problems))


class SshGuest(Guest):
    """An ordinary image with a shell."""

    def _run(self, script: str) -> str:
        client = remote_client.RemoteClient(
            compute.get_server_ip(self._server, self._resources),
            CONF.validation.image_ssh_user,
            password=CONF.validation.image_ssh_password,
            pkey=self._resources['keypair']['private_key'],
            server=self._server,
            servers_client=self._client,
            ssh_timeout=CONF.validation.ssh_timeout,
            connect_timeout=CONF.validation.connect_timeout,
            ssh_shell_prologue='',
            ssh_key_type=CONF.validation.ssh_key_type,
        )
        return str(
            client.exec_command(f'sudo sh -c {shlex.quote(script)}')
        ).strip()

    def start(self) -> None:
        self._run(PREPARE)

    def look(self) -> str:
        said = self._run(LOOK)
        if len(said.splitlines()) != self.disks:
            raise AssertionError(f'not {self.disks} disks:\n{said}')
        return said

    def verify(self, before: str, seconds: int) -> None:
        del seconds  # ssh has its own
        now = self.look()
        if before != now:
            raise AssertionError(f'was:\n{before}\nis:\n{now}')
