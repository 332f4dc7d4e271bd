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

"""The Python environments of the hosts: OpenStack's and, on it, ours.

That of an OpenStack release is made once from its pins and then only added
to. Our package is in a small environment on top of it, one for each checkout:
labs from several checkouts side by side each run their own.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import fcntl
import hashlib
import os
from pathlib import Path
import shutil
import tempfile

from blocklab.machine import pins
from blocklab.machine import releases
from blocklab.machine import roots
from blocklab.machine import subprocesses
from blocklab.machine.errors import BadInput
from blocklab.machine.layout import CHECKOUT
from blocklab.machine.layout import VENVS
from blocklab.machine.releases import EXTRAS
from blocklab.machine.releases import Release

_UV = releases.tools() / 'bin' / 'uv'
# What of the checkout decides what our package is.
_SOURCES = (
    'pyproject.toml', 'setup.cfg', 'setup.py', 'nova-blockmig.pth',
    'nova-blockmig.start',
)  # fmt: skip
# What a build of it does not need, or leaves behind.
_NOT_COPIED = shutil.ignore_patterns(
    'build', '*.egg-info', '.tox', '.venv', '.stestr', '__pycache__', '*.lock'
)


@dataclasses.dataclass(frozen=True)
class Ours:
    """A distribution made from the checkout.

    :ivar directory: where in the checkout its ``pyproject.toml`` is.
    :ivar package: what is imported, a directory beside it.
    """

    name: str
    directory: str
    package: str


DRIVER = Ours('nova-blockmig', '.', 'nova_blockmig')
TEMPEST_PLUGIN = Ours(
    'nova-blockmig-tempest-plugin',
    'tempest-plugin',
    'nova_blockmig_tempest_plugin',
)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Labs side by side share the environments: one changes them at a time.
    """  # fmt: skip
    VENVS.mkdir(parents=True, exist_ok=True)
    with (VENVS / f'.{name}.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stamp(release: Release, what: str) -> Path:
    """The file that changes when the installed `what` changes.

    :param what: 'services', one of `EXTRAS` or the name of one of ours.
    """
    ours = what in (DRIVER.name, TEMPEST_PLUGIN.name)
    return (release.ours if ours else release.venv) / f'.{what}.sha256'


def is_complete(release: Release) -> bool:
    """Whether the release's services are installed as pinned."""
    return _is_installed(release, 'services', release.packages)


def has(release: Release, extra: str) -> bool:
    """Whether one of `EXTRAS` is installed as well, as pinned."""
    return _is_installed(release, extra, EXTRAS[extra])


def install_services(release: Release, log: Path) -> None:
    """Install the release's services, of exactly the pinned versions."""
    _make(release, release.venv, log)
    _install(release, 'services', release.packages, log)


def _make(release: Release, venv: Path, log: Path) -> None:
    """Make an environment, unless it is there."""
    _run(
        release,
        'Making the Python environment',
        [_UV, 'venv', '--allow-existing', '--python=/usr/bin/python3', venv],
        log,
    )


def _stack(release: Release, log: Path) -> None:
    """Make the environment of ours, on top of the services'."""
    _make(release, release.ours, log)
    above, below = (
        next(venv.glob('lib/python3*/site-packages'))
        for venv in (release.ours, release.venv)
    )
    # Read before our own, whose name is later.
    (above / 'blocklab.pth').write_text(
        f'import site; site.addsitedir({str(below)!r})\n'
    )
    for program in (release.venv / 'bin').iterdir():
        first = f'{release.venv}/bin/python'
        content = program.read_bytes() if program.is_file() else b''
        if content.startswith(b'#!') and first.encode() in content:
            copy = release.ours / 'bin' / program.name
            ours = f'{release.ours}/bin/python'
            copy.write_bytes(content.replace(first.encode(), ours.encode()))
            copy.chmod(0o755)


def _run(
    release: Release, what: str, command: list[str | Path], log: Path
) -> None:
    """Run a command where the release's environment is used."""
    # What another lab builds just now is waited for.
    extra = {'UV_LOCK_TIMEOUT': '1800'}
    if release.system:
        # Where uv can link from: a root's own /root is on another mount.
        extra['UV_CACHE_DIR'] = str(VENVS / f'.uv-{release.system}')
        roots.run(
            release.system, what, command, log=log, extra_environment=extra
        )
    else:
        subprocesses.run(what, command, log=log, extra_environment=extra)


def install_extra(release: Release, extra: str, log: Path) -> None:
    """Install one of `EXTRAS` beside the services, which stay as they are."""
    _install(release, extra, EXTRAS[extra], log)


def _install(
    release: Release, what: str, packages: tuple[str, ...], log: Path
) -> None:
    constraints = release.venv / '.constraints.txt'
    constraints.write_text(_constraints(release))
    _run(
        release,
        f'Installing the {what} of OpenStack {release.name}',
        [
            _UV, 'pip', 'install', f'--python={release.venv}/bin/python',
            '--compile-bytecode', f'--constraints={constraints}', *packages,
        ],
        log,
    )  # fmt: skip
    stamp(release, what).write_text(_digest(release, packages))


def _constraints(release: Release) -> str:
    """The release's pins, for where its environment is made."""
    ask = ['pkg-config', '--modversion', 'libvirt']
    what = 'Asking for the version of libvirt'
    if release.system:
        said = roots.run(release.system, what, ask)
    else:
        said = subprocesses.run(what, ask)
    return pins.with_libvirt(release.constraints.read_text(), said.strip())


def ours_is_current(release: Release, ours: Ours = DRIVER) -> bool:
    """Whether our package is installed as it is in the checkout."""
    return _read(stamp(release, ours.name)) == source_digest(CHECKOUT, ours)


def install_ours(release: Release, log: Path, ours: Ours = DRIVER) -> None:
    """Build our package from the checkout and install the wheel.

    :raises BadInput: the checkout has no package.
    """
    if not (CHECKOUT / 'setup.cfg').exists():
        raise BadInput(
            f'{CHECKOUT} is not a checkout of nova-blockmig.',
            'Use "--driver in-tree", or run labctl from a checkout.',
        )
    digest = source_digest(CHECKOUT, ours)
    _stack(release, log)
    with checkout_copy() as copy:
        wheels = copy.parent / 'wheels'
        subprocesses.run(
            f'Building {ours.name}',
            [
                _UV, 'build', '--wheel', '--python=/usr/bin/python3',
                f'--out-dir={wheels}', copy / ours.directory,
            ],
            log=log,
        )  # fmt: skip
        _run(
            release,
            f'Installing {ours.name}',
            [
                _UV, 'pip', 'install', f'--python={release.ours}/bin/python',
                '--no-deps', '--compile-bytecode',
                f'--reinstall-package={ours.name}', *wheels.glob('*.whl'),
            ],
            log,
        )  # fmt: skip
    stamp(release, ours.name).write_text(digest)


@contextlib.contextmanager
def checkout_copy() -> Iterator[Path]:
    """A copy of the checkout, alone in a directory, to build something in.

    A build leaves files behind: not in somebody's checkout, as root.
    """
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / 'checkout'
        shutil.copytree(
            CHECKOUT, copy, ignore=_NOT_COPIED, copy_function=_copy
        )
        yield copy


def source_digest(checkout: Path, ours: Ours = DRIVER) -> str:
    """A digest of everything that the built package depends on."""
    digest = hashlib.sha256()
    root = checkout / ours.directory
    files = [root / name for name in _SOURCES]
    files += sorted(
        file
        for file in (root / ours.package).rglob('*')
        if file.is_file() and file.suffix != '.pyc'
    )
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            content = file.read_bytes()
            digest.update(str(file.relative_to(checkout)).encode())
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _copy(source: str, target: str) -> None:
    # git may remove a file of its own while the tree is copied.
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def _is_installed(
    release: Release, what: str, packages: tuple[str, ...]
) -> bool:
    return _read(stamp(release, what)) == _digest(release, packages)


def _digest(release: Release, packages: tuple[str, ...]) -> str:
    # What pins them is in the name of the environment.
    content = release.venv.name + repr(packages)
    return hashlib.sha256(content.encode()).hexdigest()


def _read(file: Path) -> str | None:
    return file.read_text() if os.path.exists(file) else None
