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
import re
import shlex
import shutil
import tempfile

from blocklab.machine import packages
from blocklab.machine import subprocesses
from blocklab.machine.errors import BadInput
from blocklab.machine.layout import CHECKOUT
from blocklab.machine.layout import ROOT

RELEASES = ('bookworm', 'trixie')
_ROOTS = ROOT / 'roots'
_KEYRING = Path('/usr/share/keyrings/debian-archive-keyring.gpg')
_CERTIFICATES = Path('/etc/ssl/certs/ca-certificates.crt')
_FORMAT = '$(RELEASE)|$(REPO_URI)|$(COMPONENT)'
# The rest of it reaches mirrors; what a release has of its own stays.
_SETTINGS = re.compile(r'Acquire::(http|https|Retries|Check-Valid-Until)\b')

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

# release, URI and component of a mirror
Mirror = tuple[str, str, str]


def own() -> str:
    """The code name of this machine's Debian; empty if it is another."""
    try:
        text = Path('/etc/os-release').read_text()
    except FileNotFoundError:
        return ''
    found = dict(re.findall(r'^(\w+)="?(.*?)"?$', text, re.MULTILINE))
    return str(found.get('VERSION_CODENAME', ''))


def path(release: str) -> Path:
    """The root of a release."""
    return _ROOTS / release


def pivot(release: str, *command: str) -> list[str]:
    """The command line that runs a command with that root.

    To be run in a mount namespace of its own, whose root it becomes.
    """
    return ['sh', '-c', _PIVOT, 'sh', str(path(release)), *command]


def run(
    release: str,
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
            'sh', '-c', _CHROOT, 'sh', path(release), *command,
        ],
        log=log,
        extra_environment=extra_environment,
    )  # fmt: skip


def is_complete(release: str) -> bool:
    """Whether a root is there with all packages of a compute host."""
    stamp = _stamp(release)
    return stamp.exists() and stamp.read_text() == repr(packages.COMPUTE)


def install(release: str, log: Path) -> None:
    """Make a root, or add what it lacks.

    :raises BadInput: this machine's apt has no mirror of Debian.
    :raises CommandFailed: debootstrap or apt could not.
    """
    if not path(release).exists():
        _bootstrap(release, log)
    apt = ('apt-get', '-q', '-y')
    extra = {'DEBIAN_FRONTEND': 'noninteractive'}
    for words in (
        ('update',),
        ('install', '--no-install-recommends', *packages.COMPUTE),
    ):
        run(
            release,
            f'apt-get {words[0]} of Debian {release}',
            [*apt, *words],
            log=log,
            extra_environment=extra,
        )
    _stamp(release).write_text(repr(packages.COMPUTE))


def _stamp(release: str) -> Path:
    return _ROOTS / f'.{release}.packages'


def _bootstrap(release: str, log: Path) -> None:
    if shutil.which('debootstrap') is None:
        packages.install(['debootstrap'], log)
    listing = subprocesses.run(
        'Asking apt for its mirrors',
        ['apt-get', 'indextargets', '--format', _FORMAT],
    )
    mirrors = translated(_mirrors(listing), own(), release)
    base = next(uri for name, uri, _ in mirrors if name == release)
    _ROOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_ROOTS) as directory:
        new = Path(directory) / release
        subprocesses.run(
            f'debootstrap of Debian {release}',
            [
                'debootstrap', '--variant=minbase', f'--keyring={_KEYRING}',
                '--include=ca-certificates', release, new, base,
            ],
            log=log,
        )  # fmt: skip
        _furnish(new, mirrors)
        new.rename(path(release))


def _furnish(root: Path, mirrors: Iterable[Mirror]) -> None:
    """Give a bare root what it needs for its packages and its services."""
    (root / 'etc/apt/sources.list').write_text(
        ''.join(
            f'deb [signed-by={_KEYRING}] {uri} {name} {component}\n'
            for name, uri, component in mirrors
        )
    )
    settings = subprocesses.run(
        'Asking apt for its settings', ['apt-config', 'dump', 'Acquire']
    )
    (root / 'etc/apt/apt.conf.d/90blockmig-lab').write_text(
        ''.join(
            f'{line}\n'
            for line in settings.splitlines()
            if _SETTINGS.match(line) and not line.endswith('"";')
        )
    )
    packages.keep_services_still(root)
    for file in (Path('/etc/resolv.conf'), _CERTIFICATES):
        if file.exists():
            shutil.copyfile(file, root / file.relative_to('/'))
    # The host's own is mounted there.
    (root / 'etc/hosts').touch()


def _mirrors(listing: str) -> list[Mirror]:
    lines = dict.fromkeys(listing.splitlines())
    split = (line.split('|') for line in lines)
    return [(name, uri, component) for name, uri, component in split]


def translated(
    mirrors: Iterable[Mirror], ours: str, wanted: str
) -> list[Mirror]:
    """The same mirrors with another release.

    :param ours: the code name of this machine's release.
    :raises BadInput: none of them is Debian's own.
    """
    found = [
        (wanted + name.removeprefix(ours), uri, component)
        for name, uri, component in mirrors
        if name in (ours, f'{ours}-updates', f'{ours}-security')
    ]
    if not ours or wanted not in [name for name, _, _ in found]:
        raise BadInput(
            'apt on this machine has no mirror of its own Debian release.',
            'A host of another release needs one: see '
            '/etc/apt/sources.list.d.',
        )
    return found
