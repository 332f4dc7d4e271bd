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

"""ssh between the compute hosts, for a while.

Nova resizes an instance to another host through ssh. A block migration does
not need it, and a lab that never has it shows that.
"""

from collections.abc import Iterator
import contextlib
import shutil
import socket
import subprocess
import time

from blocklab.lab import Lab
from blocklab.machine import subprocesses
from blocklab.machine.errors import LabError
from blocklab.machine.host import Host
from blocklab.machine.layout import HostLayout

_SSHD_CONFIG = """\
ListenAddress {address}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/id.pub
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
"""
# Every host's key is new and nobody else is on the lab's network.
_CLIENT_CONFIG = """\
Host *
    IdentityFile {directory}/id
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""
_HOME = '/root/.ssh'
# As the host sees it; beneath what is its own.
_DIRECTORY = '/var/lib/nova/ssh'


@contextlib.contextmanager
def trust(lab: Lab) -> Iterator[None]:
    """root of each compute host may log in on the others meanwhile.

    :raises LabError: a daemon does not come up.
    """
    computes = [lab.host(host.name) for host in lab.layout.computes]
    with contextlib.ExitStack() as stack:
        _make_key(stack, computes)
        for host in computes:
            stack.enter_context(_client(host))
            stack.enter_context(_daemon(host))
        yield


def _on_machine(layout: HostLayout) -> str:
    return str(layout.directory / 'nova' / 'ssh')


def _make_key(stack: contextlib.ExitStack, computes: list[Host]) -> None:
    """One key for all of them, and a key of each host's own."""
    first, *others = (_on_machine(host.layout) for host in computes)
    for host in computes:
        host.run(['mkdir', '-m', '700', _DIRECTORY])
        stack.callback(shutil.rmtree, _on_machine(host.layout))
        _keygen(host, 'host_key')
    _keygen(computes[0], 'id')
    for other in others:
        for name in ('id', 'id.pub'):
            shutil.copy2(f'{first}/{name}', f'{other}/{name}')


def _keygen(host: Host, name: str) -> None:
    host.run(
        ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'lab',
         '-f', f'{_DIRECTORY}/{name}']
    )  # fmt: skip


@contextlib.contextmanager
def _client(host: Host) -> Iterator[None]:
    """What root has in its home is hidden on this host, and only there."""
    directory = _on_machine(host.layout)
    with open(f'{directory}/config', 'w') as config:
        config.write(_CLIENT_CONFIG.format(directory=_DIRECTORY))
    host.run(['mkdir', '-p', '-m', '700', _HOME])
    host.run(['mount', '--bind', _DIRECTORY, _HOME])
    try:
        yield
    finally:
        host.run(['umount', _HOME])


@contextlib.contextmanager
def _daemon(host: Host) -> Iterator[None]:
    config = f'{_on_machine(host.layout)}/sshd_config'
    with open(config, 'w') as out:
        out.write(
            _SSHD_CONFIG.format(
                address=host.layout.address, directory=_DIRECTORY
            )
        )
    host.run(['mkdir', '-p', '/run/sshd'])
    with host.popen(
        ['/usr/sbin/sshd', '-D', '-e', '-f', f'{_DIRECTORY}/sshd_config'],
        env=subprocesses.environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as daemon:
        try:
            _wait(host, daemon)
            yield
        finally:
            daemon.terminate()


def _wait(host: Host, daemon: 'subprocess.Popen[bytes]') -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and daemon.poll() is None:
        with contextlib.suppress(OSError), host.network():
            socket.create_connection((host.layout.address, 22), 1).close()
            return
        time.sleep(0.1)
    raise LabError(
        f'sshd does not come up on {host.name}.',
        f'Start it by hand there: /usr/sbin/sshd -D -e -f '
        f'{_DIRECTORY}/sshd_config',
    )
