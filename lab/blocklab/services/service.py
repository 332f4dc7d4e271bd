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

"""What a service of the lab is, and how to tell that it is well."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from blocklab.machine.layout import HostLayout


@dataclass(frozen=True)
class Tcp:
    """Healthy when a port answers on the host's management address."""

    port: int


@dataclass(frozen=True)
class Http:
    """Healthy when a GET of / is answered with a status below 500."""

    port: int


@dataclass(frozen=True)
class UnixSocket:
    """Healthy when a socket below the host's /run answers."""

    path: str


@dataclass(frozen=True)
class Alive:
    """Healthy when the process runs; an API knows the rest."""


Probe = Tcp | Http | UnixSocket | Alive


@dataclass(frozen=True)
class Service:
    """A process that the supervisor keeps.

    :ivar name: unique in the lab; on a compute host it ends in @HOST.
    :ivar files: the service is started anew when one of them changes.
    :ivar patience: seconds it may take until its probe succeeds.
    """

    name: str
    host: HostLayout
    command: tuple[str, ...]
    log: Path
    probe: Probe
    files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = 'TERM'
    patience: int = 300


def nova_command(venv: Path, name: str, etc: Path) -> tuple[str, ...]:
    """The command line of a service of Nova.

    :param venv: the Python environment that it runs in.
    :param etc: where the nova.conf of its host is.
    """
    return (
        str(venv / 'bin' / name),
        f'--config-file={etc / "nova.conf"}',
        f'--config-file={etc / "nova-host.conf"}',
    )


def python_environment(venv: Path, host: HostLayout) -> dict[str, str]:
    """The variables that a service of OpenStack starts with."""
    return {
        'PATH': f'{venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'PYTHONWARNINGS': 'ignore',
        'TMPDIR': str(host.directory / 'tmp'),
    }
