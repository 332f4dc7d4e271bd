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

"""One Nova release, with its tests, made ready to run."""

import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

from nova_blockmig import version

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
CONSTRAINTS = CHECKOUT / 'constraints'

BESIDES = ('nova', 'libvirt-python', 'openstack-placement')
"""What is installed besides Nova's test requirements. The functional tests
start a placement service; Nova's requirements leave that to tox."""

_STAMP = 'complete'


class CouldNotRun(Exception):
    """The tests could not be run, which says nothing about the driver."""


@dataclasses.dataclass(frozen=True)
class Environment:
    """Nova's source tree and a Python that can import what it needs.

    :ivar tree: the unpacked source distribution. The wheel would do for
        unit tests; the functional ones look for ``etc/nova`` in the tree.
    """

    release: str
    python: pathlib.Path
    tree: pathlib.Path


def releases() -> list[str]:
    """The OpenStack releases that have constraints, oldest first."""
    return sorted(path.stem for path in CONSTRAINTS.glob('*.txt'))


def pins(release: str) -> dict[str, str]:
    """The version of each package in a release's constraints, by name."""
    text = (CONSTRAINTS / f'{release}.txt').read_text()
    found = re.findall(r'^([\w.-]+)==(\S+)', text, re.MULTILINE)
    return {_normal(name): version for name, version in found}


def wanted(test_requirements: str, pinned: dict[str, str]) -> list[str]:
    """What to install: as far as it is pinned, what Nova's tests want.

    What has no pin serves other tests of Nova's (its style checks, its
    PostgreSQL migrations); whatever version the day has would not do.
    """
    names = re.findall(r'^[\w.-]+', test_requirements, re.MULTILINE)
    return sorted(
        {_normal(name) for name in (*names, *BESIDES)} & pinned.keys()
    )


def major(release: str) -> int:
    """Nova's major version in an OpenStack release."""
    return int(pins(release)['nova'].partition('.')[0])


def mode(release: str) -> str:
    """The concurrency mode that nova-compute runs in by default."""
    native = major(release) >= version.NATIVE_THREADS_SINCE
    return 'threading' if native else 'eventlet'


def fetch(release: str, directory: pathlib.Path) -> Environment:
    """Get a release's Nova, in source, and a bare Python beside it.

    :param directory: where to; what is there already is used.
    :raises CouldNotRun: it could not be downloaded.
    """
    number = pins(release)['nova']
    found = Environment(
        release=release,
        python=directory / 'venv' / 'bin' / 'python',
        tree=directory / f'nova-{number}',
    )
    if found.tree.exists() and found.python.exists():
        return found
    directory.mkdir(parents=True, exist_ok=True)
    _make_venv(directory / 'venv')
    _run(
        release,
        *(found.python, '-m', 'pip', 'download', '--quiet', '--no-deps'),
        *('--no-binary', 'nova', '--dest', directory, f'nova=={number}'),
    )
    shutil.unpack_archive(directory / f'nova-{number}.tar.gz', directory)
    return found


def install(found: Environment) -> None:
    """Install what Nova's tests need; nothing to do if it was done before.

    :raises CouldNotRun: something could not be installed.
    """
    constraints = CONSTRAINTS / f'{found.release}.txt'
    digest = hashlib.sha256(constraints.read_bytes()).hexdigest()
    stamp = found.tree.parent / _STAMP
    if stamp.exists() and stamp.read_text() == digest:
        return
    requirements = (found.tree / 'test-requirements.txt').read_text()
    _run(
        found.release,
        *_installer(found.python),
        *wanted(requirements, pins(found.release)),
    )
    stamp.write_text(digest)


def _normal(name: str) -> str:
    """A package's name as the packaging standards compare it."""
    return re.sub(r'[-_.]+', '-', name).lower()


def _make_venv(path: pathlib.Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    command = [sys.executable, '-m', 'venv']
    if uv := shutil.which('uv'):
        command = [uv, 'venv', '--seed', '--python', sys.executable]
    _run(None, *command, path)


def _installer(python: pathlib.Path) -> list[str]:
    if uv := shutil.which('uv'):
        return [uv, 'pip', 'install', '--python', str(python)]
    return [str(python), '-m', 'pip', 'install']


def _run(release: str | None, *command: str | os.PathLike[str]) -> None:
    """Run a command under the constraints of a release, if any.

    They come through the environment, which builds of packages see too.
    """
    variables = dict(os.environ)
    for name in ('PIP_CONSTRAINT', 'UV_CONSTRAINT'):
        variables.pop(name, None)
        if release is not None:
            variables[name] = str(CONSTRAINTS / f'{release}.txt')
    done = subprocess.run(
        [os.fspath(part) for part in command],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        last = '\n'.join(done.stdout.splitlines()[-20:])
        raise CouldNotRun(
            f'{" ".join(map(str, command))} ended with status '
            f'{done.returncode}:\n{last}'
        )
