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

"""What differs between the OpenStack releases that the lab can run."""

import dataclasses
from dataclasses import dataclass
import functools
import hashlib
from pathlib import Path
import sys

from blocklab.machine.errors import BadInput
from blocklab.machine.layout import CHECKOUT
from blocklab.machine.layout import VENVS


@dataclass(frozen=True)
class Release:
    """One OpenStack release.

    :ivar nova: Nova's major version.
    :ivar concurrency: what Nova's services use when nothing is chosen:
        native threads or eventlet.
    :ivar system: the Debian release of the root that its environment is
        made in; None is this machine itself.
    """

    name: str
    nova: int
    concurrency: str
    system: str | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        """What its environment has, of the versions that are pinned."""
        return COMPUTE_PACKAGES if self.system else PACKAGES

    @property
    def venv(self) -> Path:
        """The environment of its services, without anything of ours.

        It is named after what it is made from, so that a lab never loses
        what it runs on to one with other pins.
        """
        suffix = f'-{self.system}' if self.system else ''
        made_from = _digest(self.constraints, self.packages)
        return VENVS / f'{self.name}{suffix}-{made_from}'

    @property
    def ours(self) -> Path:
        """The same with this checkout's package, which other labs have not.

        See `blocklab.machine.venvs.install_ours`.
        """
        checkout = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
        return self.venv.with_name(f'{self.venv.name}-{checkout}')

    def on(self, system: str | None) -> 'Release':
        """The same for a host that runs another Debian release."""
        return dataclasses.replace(self, system=system)

    @property
    def constraints(self) -> Path:
        return CHECKOUT / 'constraints' / f'{self.name}.txt'


RELEASES = {
    release.name: release
    for release in (
        Release('2025.1', 31, 'eventlet'),
        Release('2025.2', 32, 'eventlet'),
        Release('2026.1', 33, 'eventlet'),
        Release('2026.2', 34, 'threading'),
    )
}
DEFAULT = '2026.2'

# The names that the constraints file gives versions to; what they pull in
# is pinned there as well.
PACKAGES = (
    'nova',
    'keystone',
    'glance',
    'openstack-placement',
    'neutron',
    'python-openstackclient',
    'python-novaclient',
    'libvirt-python',
    'PyMySQL',
    'python-memcached',
    'uwsgi',
    # Neutron and os-vif import it, but the wheels of 2026.2 do not say so.
    'pyroute2',
)

# Of these, what a compute host needs that has a root of its own.
COMPUTE_PACKAGES = ('nova', 'libvirt-python', 'pyroute2')

# What is installed beside them only when it is asked for: volumes, and
# `labctl tempest`.
EXTRAS = {'cinder': ('cinder',), 'tempest': ('tempest',)}

# The lab's own tools, pinned by the default release's constraints.
TOOLS = (
    'jinja2',
    'openstacksdk',
    'psutil',
    'PyMySQL',
    'pyroute2',
    'python-subunit',
    'supervisor',
)


def named(name: str) -> Release:
    """The release of that name.

    :raises BadInput: no such release.
    """
    try:
        return RELEASES[name]
    except KeyError:
        raise BadInput(
            f'{name!r} is not a release that the lab knows.',
            'Choose one of ' + ', '.join(RELEASES) + '.',
        ) from None


def tools() -> Path:
    """The environment of the lab's own tools."""
    constraints = named(DEFAULT).constraints
    return VENVS / f'tools-{_digest(constraints, TOOLS)}'


@functools.cache
def _digest(constraints: Path, packages: tuple[str, ...]) -> str:
    python = '.'.join(map(str, sys.version_info[:2]))
    content = f'{python} {packages!r} '.encode() + constraints.read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]
