# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What the lab tests share.

They run as root on the lab that LABCTL_NAME names (by default the one of
``labctl up``). A test says which driver each compute host is to run; only
nova-compute is restarted for it, and not at all if nothing changes.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import json
import os
import pathlib
import re
import subprocess
import time
from typing import Any

import testtools
from testtools import content

from blocklab import lab as labs
from blocklab.commands import lock
from blocklab.commands import options
from blocklab.commands import up
from blocklab.guest import disks
from blocklab.machine import layout as layouts
from blocklab.machine import subprocesses
from blocklab.migration import instance as instances
from blocklab.migration import migration as migrations
from blocklab.migration import scenario

SOURCE = 'server2'
DESTINATION = 'server-01'
HOSTS = (SOURCE, DESTINATION)
# As the hosts themselves see it.
INSTANCES = '/var/lib/nova/instances'

Extra = dict[str, dict[str, dict[str, str]]]


class LabTestCase(testtools.TestCase):
    """A test on two real compute hosts."""

    def setUp(self) -> None:
        super().setUp()
        self.name = os.environ.get('LABCTL_NAME', layouts.default_name())
        self.lab = labs.Lab(self.name)

    def use(
        self,
        source: str = 'blockmig',
        destination: str = 'blockmig',
        extra: Extra | None = None,
        *,
        cinder: bool = False,
        systems: Mapping[str, str] | None = None,
    ) -> None:
        """Run these drivers, with these settings in nova.conf.

        :param systems: host -> Debian release; a host that is not named is
            this machine. No guest may run on a host that changes.
        :param cinder: whether the lab has to have volumes; if it has, it
            keeps them.
        """
        with lock.exclusive(self.name) as layout:
            self.lab = up.change(
                layout,
                drivers=dict(zip(HOSTS, (source, destination), strict=True)),
                extra=extra or {},
                cinder=cinder or self.lab.settings.choices.cinder,
                systems=options.with_roots(systems or {}),
            )

    def boot(
        self, flavor: scenario.Flavor, host: str = SOURCE, **options: Any
    ) -> Any:
        """An instance on a host; it is deleted when the test ends."""
        name = re.sub(r'\W', '-', self.id().rpartition('.')[2])
        instance = scenario.boot(
            self.lab, name, flavor, host=host, timeout=400, **options
        )
        self.addCleanup(self._delete, instance.id)
        return instance

    def _delete(self, server_id: str) -> None:
        instances.Instance(self.lab, server_id).delete()

    def upload(
        self, name: str, disk_format: str, file: Any, **properties: str
    ) -> Any:
        """An image; it is deleted when the test ends."""
        known = ('aki', 'ari', 'ami')
        container = disk_format if disk_format in known else 'bare'
        image = self.lab.cloud.image.create_image(
            name,
            filename=str(file),
            disk_format=disk_format,
            container_format=container,
            wait=True,
            **properties,
        )
        self.addCleanup(self.lab.cloud.image.delete_image, image)
        return image

    def kernel_images(self) -> dict[str, str]:
        """Properties of an image whose guest boots from kernel and ramdisk.

        A root disk of the lab boots with a BIOS only.
        """
        files = self.lab.guest_image
        kernel = self.upload('kernel', 'aki', files.kernel)
        ramdisk = self.upload('ramdisk', 'ari', files.initrd)
        return {'kernel_id': kernel.id, 'ramdisk_id': ramdisk.id}

    def move(self, instance: Any, **options: Any) -> Any:
        """Migrate to the other host; it has to be completed."""
        source = instance.host_name
        migration = instance.migrate(self.other(source), **options)
        self.assertEqual('completed', migration.status, self.faults(instance))
        self.assertFalse(self.directory(source, instance).exists())
        return migration

    def assert_same(self, before: Any, after: Any) -> None:
        """Every disk reads the same."""
        self.assertEqual(
            {name: disk.sha256 for name, disk in before.items()},
            {name: disk.sha256 for name, disk in after.items()},
        )

    def sizes(self, instance: Any) -> dict[str, disks.DiskSize]:
        """Name -> size of every disk, be the guest running or not."""
        return disks.sizes(instance.host, instance.id)

    def directory(self, host: str, instance: Any) -> pathlib.Path:
        """The instance's directory on a host."""
        return self.lab.instances_path(host) / str(instance.id)

    def wait_for_removal(self, host: str, instance: Any) -> None:
        """Wait until a host has nothing of the instance any more."""
        deadline = time.monotonic() + 300
        while self.directory(host, instance).exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)

    def compute_service(self, host: str) -> Any:
        """Nova's record of a host's nova-compute."""
        (service,) = (
            found
            for found in self.lab.cloud.compute.services(binary='nova-compute')
            if found.host == host
        )
        return service

    def other(self, host: str) -> str:
        """The compute host that is not this one."""
        return DESTINATION if host == SOURCE else SOURCE

    def tool(
        self, *words: str, directory: pathlib.Path | None = None
    ) -> tuple[int, Any]:
        """Run nova-blockmig; its exit code and its result.

        What it says is a detail of the test.
        """
        done = subprocess.run(
            [*self.lab.client_command('nova-blockmig', *words), '-f', 'json'],
            cwd=directory,
            env=subprocesses.environment(self.lab.credentials()),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        self.addDetailUniqueName(
            ' '.join(words), content.text_content(done.stdout + done.stderr)
        )
        return done.returncode, json.loads(done.stdout or 'null')

    def ask(self, instance: Any, host: str, *options: str) -> tuple[int, Any]:
        """Ask nova-blockmig whether a host has room for an instance.

        :returns: the exit code, and what it says of the host.
        """
        etc = self.lab.layout.etc / 'controller' / 'nova.conf'
        code, lines = self.tool(
            'check', instance.id, '--host', host, '--config-file', str(etc),
            *options,
        )  # fmt: skip
        (line,) = lines
        return code, line

    def monitor(self, instance: Any, command: str) -> None:
        """Give QEMU a command, past Nova and libvirt."""
        instance.host.run(
            ['virsh', 'qemu-monitor-command', '--hmp', instance.id, command]
        )

    def faults(self, instance: Any) -> str:
        """What Nova tells of the latest live migration that failed."""
        return migrations.reason(self.lab, instance.id)

    def logged(self, host: str, since: int) -> str:
        """What nova-compute of a host wrote after a position."""
        data = self.lab.log_path(f'nova-compute@{host}').read_bytes()
        return data[since:].decode(errors='replace')

    def log_size(self, host: str) -> int:
        """The position to give :meth:`logged` later."""
        return self.lab.log_path(f'nova-compute@{host}').stat().st_size

    @contextlib.contextmanager
    def nothing_left_on(self, host: str) -> Iterator[None]:
        """The files that a host has are the same before and after."""
        before = self._files(host)
        yield
        self.assertEqual(before, self._files(host))

    def _files(self, host: str) -> set[str]:
        """The image cache and locks are Nova's to keep.

        The host is asked: what is mounted there is seen only there.
        """
        kept = {'', '_base', 'locks', 'compute_nodes', 'lost+found'}
        found = self.lab.host(host).run(
            ['find', INSTANCES, '-printf', '%P\\n']
        )
        return {
            file
            for file in found.splitlines()
            if file.partition('/')[0] not in kept
        }
