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

"""Where everything of one lab is: directories, namespaces, addresses.

Every lab has namespaces and a directory of its own, named after the lab.
Its addresses live inside those namespaces only, behind a bridge that is
itself in the controller's namespace, so two labs use the same ones without
ever meeting, and nothing appears in the machine's own network.
"""

from dataclasses import dataclass
import os
from pathlib import Path
import re

from blocklab.machine.errors import BadInput

# Short, for the paths of Unix sockets beneath it have 107 bytes at most.
ROOT = Path(os.environ.get('LABCTL_ROOT') or '/var/lib/nova-blockmig-lab')
VENVS = ROOT / 'venvs'
LAB_DIR = Path(__file__).resolve().parents[2]
CHECKOUT = LAB_DIR.parent

CONTROLLER = 'controller'
COMPUTES = ('server2', 'server-01')
DEFAULT_NAME = 'blockmig'

_NAME = re.compile(r'[a-z][a-z0-9-]{0,14}')
_RESERVED = {'guest', 'roots', 'venvs'}


@dataclass(frozen=True)
class HostLayout:
    """One host of the lab: the controller or a compute host.

    :ivar address: IPv4 address on the management network.
    :ivar tunnel_address: IPv4 address of the Geneve end point; the
        controller has none, it forwards no guest traffic.
    :ivar directory: what this host keeps; parts of it are bind-mounted
        over the standard places in the host's mount namespace.
    """

    name: str
    namespace: str
    address: str
    tunnel_address: str | None
    directory: Path
    namespaces_directory: Path

    @property
    def is_compute(self) -> bool:
        return self.tunnel_address is not None

    @property
    def network_namespace(self) -> Path:
        return Path('/run/netns') / self.namespace

    @property
    def mount_namespace(self) -> Path:
        return self.namespaces_directory / f'{self.name}.mnt'

    @property
    def uts_namespace(self) -> Path:
        return self.namespaces_directory / f'{self.name}.uts'

    @property
    def run(self) -> Path:
        """What the host itself sees as /run."""
        return self.directory / 'run'

    @property
    def instances(self) -> Path:
        """What the host itself sees as /var/lib/nova/instances."""
        return self.directory / 'nova' / 'instances'

    @property
    def debian_etc(self) -> Path:
        """What a host with Debian's own Nova sees as /etc/nova."""
        return self.directory / 'etc-nova'

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command on this host.

        nsenter replaces itself with the command, so the process that one
        starts this way is the command, not a wrapper around it.
        """
        return [
            'nsenter',
            f'--net={self.network_namespace}',
            f'--mount={self.mount_namespace}',
            f'--uts={self.uts_namespace}',
            '--',
            *command,
        ]


@dataclass(frozen=True)
class Layout:
    """The places of one lab."""

    name: str
    root: Path = ROOT

    @property
    def state(self) -> Path:
        return self.root / self.name

    @property
    def namespaces(self) -> Path:
        return self.state / 'ns'

    @property
    def etc(self) -> Path:
        return self.state / 'etc'

    @property
    def logs(self) -> Path:
        return self.state / 'logs'

    @property
    def settings(self) -> Path:
        return self.state / 'lab.json'

    @property
    def lock(self) -> Path:
        return self.root / f'.{self.name}.lock'

    @property
    def supervisor_socket(self) -> Path:
        return self.state / 'supervisor.sock'

    @property
    def supervisor_pid(self) -> Path:
        return self.state / 'supervisor.pid'

    @property
    def hosts(self) -> tuple[HostLayout, ...]:
        return (
            self._host(CONTROLLER, 1),
            *(self._host(name, 11 + n) for n, name in enumerate(COMPUTES)),
        )

    @property
    def computes(self) -> tuple[HostLayout, ...]:
        return tuple(host for host in self.hosts if host.is_compute)

    @property
    def controller(self) -> HostLayout:
        return self.host(CONTROLLER)

    def host(self, name: str) -> HostLayout:
        for host in self.hosts:
            if host.name == name:
                return host
        raise BadInput(
            f'There is no host {name!r} in the lab.',
            'Its hosts are ' + ', '.join(h.name for h in self.hosts) + '.',
        )

    def _host(self, name: str, number: int) -> HostLayout:
        return HostLayout(
            name=name,
            namespace=f'{self.name}-{name}',
            address=f'10.88.0.{number}',
            tunnel_address=None if name == CONTROLLER else f'10.89.0.{number}',
            directory=self.state / 'hosts' / name,
            namespaces_directory=self.namespaces,
        )


def default_name() -> str:
    """The lab that is meant when none is named."""
    return os.environ.get('LABCTL_NAME') or DEFAULT_NAME


def named(name: str | None = None) -> Layout:
    """The layout of the lab of that name, or of the default one.

    :raises BadInput: the name cannot be one of a lab.
    """
    name = name or default_name()
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise BadInput(
            f'{name!r} cannot be the name of a lab.',
            'Use a lower-case letter and then up to 14 lower-case letters, '
            'digits and hyphens.',
        )
    return Layout(name)
