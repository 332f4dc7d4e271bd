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

"""What the lab takes from Debian."""

from collections.abc import Iterator
import contextlib
from pathlib import Path
import subprocess

from blocklab.machine import subprocesses

# What a compute host runs, whichever Nova it has.
_HOST = (
    'bindfs',
    'dosfstools',
    'e2fsprogs',
    'ethtool',
    'fdisk',
    'genisoimage',
    'iproute2',
    'libvirt-clients',
    'libvirt-daemon-system',
    'openssh-client',
    'openssh-server',
    'openvswitch-switch',
    'ovmf',
    'ovn-host',
    'procps',
    'qemu-system-x86',
    'qemu-utils',
    'swtpm',
    'swtpm-tools',
    'util-linux',
    'xfsprogs',
)
# With Nova from PyPI: what builds libvirt-python, and its environment.
COMPUTE = (
    *_HOST,
    'gcc',
    'libc6-dev',
    'libvirt-dev',
    'pkg-config',
    'python3-dev',
    'python3-venv',
)
# With Debian's own.
DEBIAN_NOVA = (*_HOST, 'nova-compute')
# What builds the Debian package of the checkout: Build-Depends of
# debian/control, without those of its tests.
BUILD = (
    'build-essential',
    'debhelper',
    'dh-python',
    'pybuild-plugin-pyproject',
    'python3-all',
    'python3-pbr',
    'python3-setuptools',
)

PACKAGES = (
    # the controller
    'mariadb-server',
    'rabbitmq-server',
    'ovn-central',
    *COMPUTE,
    # for our own package's version
    'git',
    # the guest image
    'busybox-static',
    'cpio',
    'kmod',
    'mtools',
    'syslinux',
    'syslinux-common',
    'xz-utils',
)

# A Debian package's services are not started while this answers 101, see
# invoke-rc.d(8).
_POLICY = Path('/usr/sbin/policy-rc.d')
_SAVED = _POLICY.with_name('policy-rc.d.before-blockmig-lab')
_REFUSAL = '#!/bin/sh\n# of the nova-blockmig lab\nexit 101\n'


def missing() -> list[str]:
    """The packages that are not installed, in the order above."""
    answer = subprocess.run(
        ['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n',
         *PACKAGES],
        capture_output=True,
        text=True,
        check=False,
    ).stdout  # fmt: skip
    there = {
        line.split()[0]
        for line in answer.splitlines()
        if line.endswith(' installed')
    }
    return [package for package in PACKAGES if package not in there]


def install(packages: list[str], log: Path) -> None:
    """Install packages without starting their services.

    :raises CommandFailed: apt could not.
    """
    environment = {'DEBIAN_FRONTEND': 'noninteractive'}
    apt = ('apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=300')
    subprocesses.run(
        'apt-get update', [*apt, 'update'],
        log=log, extra_environment=environment,
    )  # fmt: skip
    with _services_kept_still():
        # What an installation that was killed has left; else nothing.
        subprocesses.run(
            'dpkg --configure', ['dpkg', '--configure', '--pending'],
            log=log, extra_environment=environment,
        )  # fmt: skip
        subprocesses.run(
            'apt-get install',
            [*apt, 'install', '--no-install-recommends', *packages],
            log=log,
            extra_environment=environment,
        )


def keep_services_still(root: Path) -> None:
    """Let no package start a service in another root, whenever it comes."""
    policy = root / _POLICY.relative_to('/')
    policy.write_text(_REFUSAL)
    policy.chmod(0o755)


@contextlib.contextmanager
def _services_kept_still() -> Iterator[None]:
    # An earlier run that was killed in between has left ours there.
    if _POLICY.exists() and _POLICY.read_text() != _REFUSAL:
        _POLICY.rename(_SAVED)
    _POLICY.write_text(_REFUSAL)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
        if _SAVED.exists():
            _SAVED.rename(_POLICY)
