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

"""Roots: file systems of other Debian releases, for hosts that run those.

A root is made once, from the mirrors that apt on this machine has, and is
kept beneath ROOT/roots like the environments. What a host writes is not in
it but in the host's own directories, so hosts and labs share a root.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
import shlex
import shutil
import tempfile

from blocklab.machine import mirrors
from blocklab.machine import packages
from blocklab.machine import subprocesses
from blocklab.machine.layout import CHECKOUT
from blocklab.machine.layout import ROOT

# What a compute host can run, by the name of its root: a Debian release, or
# one with Debian's own package of Nova. Each with the packages it has.
SYSTEMS: Mapping[str, tuple[str, ...]] = {
    'bookworm': packages.COMPUTE,
    'trixie': packages.COMPUTE,
    'trixie-nova': packages.DEBIAN_NOVA,
}
# Where the Debian package of this checkout is built for the latter.
_BUILDERS = {'trixie-build': packages.BUILD}
_PACKAGES = {**SYSTEMS, **_BUILDERS}
_ROOTS = ROOT / 'roots'
_CERTIFICATES = Path('/etc/ssl/certs/ca-certificates.crt')
# A root that a power cut spoils is made anew, and nobody reads a manual there.
_DPKG = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
"""

# What a root shows of this machine, beneath the same names: devices and the
# like with all that is mounted there, the labs and this code without.
_TREES = ('/dev', '/proc', '/sys')
_DIRECTORIES = ('/tmp', str(ROOT), str(CHECKOUT))
_SHOW = f"""
set -eu
root=$1
shift
mount --bind "$root" "$root"
for place in {' '.join(_TREES)}; do
    mount --rbind "$place" "$root$place"
done
for place in {' '.join(map(shlex.quote, _DIRECTORIES))}; do
    mkdir -p "$root$place"
    mount --bind "$place" "$root$place"
done
"""
# The namespaces live on after the shell, and whoever enters them finds its
# root where the mount namespace has it: chroot would not do.
_PIVOT = f"""{_SHOW}
cd "$root"
pivot_root . mnt
umount --lazy mnt
exec "$@"
"""
_CHROOT = f"""{_SHOW}
exec chroot "$root" "$@"
"""


def path(name: str) -> Path:
    """The root of that name."""
    return _ROOTS / name


def release(name: str) -> str:
    """The Debian release that a root is of."""
    return name.partition('-')[0]


def has_nova(name: str | None) -> bool:
    """Whether a host with that root runs Debian's own package of Nova."""
    return name is not None and name.endswith('-nova')


def builder(name: str) -> str:
    """The root in which packages for another one are built."""
    return f'{release(name)}-build'


def pivot(name: str, *command: str) -> list[str]:
    """The command line that runs a command with that root.

    To be run in a mount namespace of its own, whose root it becomes.
    """
    return ['sh', '-c', _PIVOT, 'sh', str(path(name)), *command]


def run(
    name: str,
    what: str,
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command in a root, with this machine's network; its output.

    :raises CommandFailed: the status is not 0.
    """
    return subprocesses.run(
        what,
        [
            'unshare', '--mount', '--propagation=private',
            'sh', '-c', _CHROOT, 'sh', path(name), *command,
        ],
        log=log,
        extra_environment=extra_environment,
    )  # fmt: skip


def is_complete(name: str) -> bool:
    """Whether a root is there with all of its packages."""
    file = stamp(name)
    return file.exists() and file.read_text() == repr(_PACKAGES[name])


def install(name: str, log: Path) -> None:
    """Make a root, or add what it lacks.

    :raises BadInput: this machine's apt has no mirror of Debian.
    :raises CommandFailed: debootstrap or apt could not.
    """
    if not path(name).exists():
        _bootstrap(name, log)
    apt(name, 'update', log=log)
    apt(name, 'install', *_PACKAGES[name], log=log)
    stamp(name).write_text(repr(_PACKAGES[name]))


def apt(name: str, *words: str, log: Path) -> None:
    """Run apt-get in a root, without what is only recommended.

    :raises CommandFailed: apt could not.
    """
    run(
        name,
        f'apt-get {words[0]} of Debian {name}',
        ['apt-get', '-q', '-y', '--no-install-recommends', *words],
        log=log,
        extra_environment={'DEBIAN_FRONTEND': 'noninteractive'},
    )


def stamp(name: str) -> Path:
    """The file that changes when the packages of a root change."""
    return _ROOTS / f'.{name}.packages'


def prepare(names: Iterable[str], log: Path) -> None:
    """Give this machine what makes roots, if one is to be made.

    :raises CommandFailed: apt could not.
    """
    wanted = [name for name in names if not path(name).exists()]
    if wanted and shutil.which('debootstrap') is None:
        packages.install(['debootstrap'], log)


def _bootstrap(name: str, log: Path) -> None:
    listing = subprocesses.run(
        'Asking apt for its mirrors',
        ['apt-get', 'indextargets', '--format', mirrors.FORMAT],
    )
    wanted = release(name)
    found = mirrors.translated(mirrors.parse(listing), mirrors.own(), wanted)
    _ROOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_ROOTS) as directory:
        new = Path(directory) / name
        # In two stages, for dpkg's settings to be there from the second on.
        subprocesses.run(
            f'debootstrap of Debian {wanted}',
            [
                'debootstrap', '--foreign', '--variant=minbase',
                f'--keyring={mirrors.KEYRING}',
                '--include=ca-certificates', wanted, new,
                mirrors.of(found, wanted),
            ],
            log=log,
        )  # fmt: skip
        (new / 'etc/dpkg/dpkg.cfg.d/90blockmig-lab').write_text(_DPKG)
        subprocesses.run(
            f'Second stage of the debootstrap of Debian {wanted}',
            [
                'unshare', '--mount', '--propagation=private',
                'chroot', new, '/debootstrap/debootstrap', '--second-stage',
            ],
            log=log,
        )  # fmt: skip
        _furnish(new, mirrors.sources(found))
        new.rename(path(name))


def _furnish(root: Path, sources: str) -> None:
    """Give a bare root what it needs for its packages and its services."""
    (root / 'etc/apt/sources.list').write_text(sources)
    settings = subprocesses.run(
        'Asking apt for its settings', ['apt-config', 'dump', 'Acquire']
    )
    (root / 'etc/apt/apt.conf.d/90blockmig-lab').write_text(
        mirrors.settings(settings)
    )
    packages.keep_services_still(root)
    for file in (Path('/etc/resolv.conf'), _CERTIFICATES):
        if file.exists():
            shutil.copyfile(file, root / file.relative_to('/'))
    # The host's own is mounted there.
    (root / 'etc/hosts').touch()
