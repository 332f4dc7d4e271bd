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

"""Debian's own Nova on a compute host, and our package as Debian's.

Such a host has a root with Debian's nova-compute; see
`blocklab.machine.roots`. Our package is built from the checkout in a root of
its own, as it would be on an operator's build machine, and installed with apt.
Labs share both roots: those of several checkouts have the package of the one
that was brought up last.
"""

from collections.abc import Mapping
import hashlib
from pathlib import Path
import shutil

from blocklab.machine import roots
from blocklab.machine import venvs
from blocklab.machine.errors import BadInput
from blocklab.machine.layout import CHECKOUT

# Root -> the OpenStack release of the Nova in it.
_RELEASES = {'trixie-nova': '2025.1'}
# The tests need Nova and run elsewhere: tools/debian-package.
_BUILD = {'DEB_BUILD_OPTIONS': 'nocheck', 'DEB_BUILD_PROFILES': 'nocheck'}
# What of Debian's is replaced: see `blocklab.services.config`.
COMPUTE_CONF = 'nova-compute.conf'


def check(release: str, systems: Mapping[str, str], *, cinder: bool) -> None:
    """Refuse what Debian's Nova cannot do.

    :param release: the OpenStack release of the lab.
    :param systems: compute host -> its root.
    :param cinder: whether the lab is to have volumes.
    :raises BadInput: with the first reason found.
    """
    for host, system in systems.items():
        if not roots.has_nova(system):
            continue
        packaged = _RELEASES[system]
        if release != packaged:
            raise BadInput(
                f"{host}={system}: Debian's Nova is of OpenStack {packaged}, "
                f'not {release}.',
                f'Add "--release {packaged}".',
            )
        if cinder:
            raise BadInput(
                f"{host}={system}: the lab has no volumes with Debian's Nova.",
                'Leave out "--with cinder" or that host.',
            )


def stamp(system: str) -> Path:
    """The file that changes when our package in a root changes."""
    return roots.path(system).with_name(f'.{system}.{venvs.DRIVER.name}')


def ours_is_current(system: str) -> bool:
    """Whether our package in a root is that of the checkout."""
    file = stamp(system)
    return file.exists() and file.read_text() == _digest()


def install_ours(system: str, log: Path) -> None:
    """Build our Debian package and install it with apt.

    :raises CommandFailed: it cannot be built or installed.
    """
    digest = _digest()
    builder = roots.builder(system)
    if not roots.is_complete(builder):
        roots.install(builder, log)
    with venvs.checkout_copy() as copy:
        roots.run(
            builder,
            'Building the Debian package of nova-blockmig',
            [
                'env', f'--chdir={copy}',
                'dpkg-buildpackage', '--build=binary', '--no-sign',
            ],
            log=log,
            extra_environment=_BUILD,
        )  # fmt: skip
        (package,) = copy.parent.glob('*.deb')
        roots.apt(system, 'install', '--reinstall', str(package), log=log)
    stamp(system).write_text(digest)


def copy_settings(system: str, place: Path) -> None:
    """Give a host Debian's /etc/nova, as the packages bring it.

    :param place: where to; the one file that is replaced is left alone.
    """
    # The owners are for the host to say: it knows their names.
    shutil.copytree(
        roots.path(system) / 'etc/nova',
        place,
        ignore=shutil.ignore_patterns(COMPUTE_CONF),
        dirs_exist_ok=True,
    )


def _digest() -> str:
    digest = hashlib.sha256(venvs.source_digest(CHECKOUT).encode())
    for file in sorted((CHECKOUT / 'debian').iterdir()):
        if file.is_file():
            digest.update(file.name.encode() + b'\0' + file.read_bytes())
    return digest.hexdigest()
