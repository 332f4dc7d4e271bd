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

"""A real virtual environment, and real installs into it.

Everything here starts processes and asks the package index, so nothing of
it belongs among the unit tests.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[3]
RELEASE = os.environ.get('BLOCKMIG_RELEASE', '2026.2')
CONSTRAINTS = ROOT / 'constraints' / f'{RELEASE}.txt'

# Loads the drivers named on its command line, in that order, in a process
# of its own, and says what it got. Nova ends the process where it cannot
# load one; the reason is then the answer.
PROBE = """
import json, sys, warnings
warnings.simplefilter('ignore')
import nova
from nova.virt import driver, virtapi

def load(name):
    try:
        cls = type(driver.load_compute_driver(virtapi.VirtAPI(), name))
    except SystemExit as error:
        return str(error.__context__)
    return f'{cls.__module__}.{cls.__qualname__}'

print(json.dumps([nova.__file__, *map(load, sys.argv[1:])]))
"""

# What Python 3.15 does when it starts (PEP 829), for the Pythons before it.
START = """
import pathlib, pkgutil, site
for directory in site.getsitepackages():
    for file in sorted(pathlib.Path(directory).glob('*.start')):
        for line in file.read_text(encoding='utf-8-sig').splitlines():
            pkgutil.resolve_name(line)()
"""

FINDERS = """
import sys
print([f.__module__ for f in sys.meta_path if isinstance(f, type)]
      .count('nova_blockmig.loading'))
"""


class Failed(AssertionError):
    """A command of a test did not succeed; the text is its output."""


def run(*command: object, stderr_too: bool = False, **kwargs: Any) -> str:
    """Standard output of a command, and its standard error if that is asked.

    :raises Failed: with all its output, if it ends with an error.
    """
    words = [str(word) for word in command]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        words, capture_output=True, text=True, **kwargs
    )
    if done.returncode:
        raise Failed(f'{command}\n{done.stdout}\n{done.stderr}')
    return done.stdout + done.stderr * stderr_too


def clean() -> dict[str, str]:
    """The environment variables that find no package by themselves."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith('PYTHON')
    }


def uv(*words: object) -> str:
    """Run uv, which fills an environment from its cache in a second."""
    return run(sys.executable, '-m', 'uv', '--quiet', *words)


def listed(*paths: str) -> list[str]:
    """The files of the repository, committed or not, beneath the paths."""
    names = run(
        *('git', '-C', ROOT, 'ls-files', '-z', '-co', '--exclude-standard'),
        *('--', *paths),
    )
    return [n for n in names.split('\0') if n and (ROOT / n).is_file()]


def source_tree(directory: pathlib.Path) -> pathlib.Path:
    """A clone of this repository with what is not committed yet.

    Building in the checkout itself would leave files there, and would take
    up what an earlier build left.
    """
    tree = directory / 'nova-blockmig'
    run('git', 'clone', '--quiet', '--shared', ROOT, tree)
    for name in listed():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    run('git', '-C', tree, 'add', '--all')
    return tree


class Environment:
    """A virtual environment with everything that Nova needs, Nova aside.

    :ivar tree: a clone of this repository.
    :ivar wheel: our wheel, built from it.
    """

    def __init__(self) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='blockmig-'))
        venv = self.directory / 'venv'
        self.python = venv / 'bin' / 'python'
        uv('venv', '--seed', '--python', sys.executable, venv)
        self.site = pathlib.Path(
            sysconfig.get_path('purelib', 'venv', {'base': str(venv)})
        )
        self.install('nova', 'libvirt-python', '-c', CONSTRAINTS)
        self.uninstall('nova')
        self.tree = source_tree(self.directory)
        uv('build', '--wheel', '--out-dir', self.directory, self.tree)
        (self.wheel,) = self.directory.glob('nova_blockmig-*.whl')

    def remove(self) -> None:
        """Delete the environment."""
        shutil.rmtree(self.directory)

    def install(self, *words: object) -> None:
        """``uv pip install``, for what is not ours."""
        uv('pip', 'install', '--python', self.python, *words)

    def uninstall(self, *words: object) -> None:
        """``uv pip uninstall``; it does not mind what is not there."""
        uv('pip', 'uninstall', '--python', self.python, *words)

    def pip(self, *words: object) -> None:
        """``pip`` itself, as an operator uses it for our package."""
        run(self.python, '-m', 'pip', '--quiet', *words)

    def source_distribution(self) -> pathlib.Path:
        """Ours; made once."""
        if not (found := [*self.directory.glob('nova_blockmig-*.tar.gz')]):
            uv('build', '--sdist', '--out-dir', self.directory, self.tree)
            found = [*self.directory.glob('nova_blockmig-*.tar.gz')]
        return found[0]

    def plugin_wheel(self) -> pathlib.Path:
        """The tempest plug-in's; made once."""
        directory = self.directory / 'plugin'
        if not directory.exists():
            source = self.tree / 'tempest-plugin'
            uv('build', '--wheel', '--out-dir', directory, source)
        (wheel,) = directory.glob('*.whl')
        return wheel

    def unit_tests(self, package: pathlib.Path) -> str:
        """Run the unit tests of an installed package.

        :raises Failed: with what they said, if one fails.
        """
        return run(
            *(self.python, '-P', '-m', 'unittest', 'discover'),
            *('-s', package / 'tests' / 'unit', '-t', package.parent),
            cwd=self.directory,
            env=clean(),
            stderr_too=True,
        )

    def nova_version(self) -> str:
        """The version of Nova that the constraints name."""
        for line in CONSTRAINTS.read_text().splitlines():
            if line.startswith('nova=='):
                return line.removeprefix('nova==')
        raise Failed(f'{CONSTRAINTS} names no nova')

    def nova_tree(self) -> pathlib.Path:
        """Nova's source distribution, unpacked; fetched once."""
        version = self.nova_version()
        tree = self.directory / f'nova-{version}'
        if not tree.exists():
            self.pip(
                'download', '--no-deps', '--no-binary', ':all:',
                '--dest', self.directory, f'nova=={version}',
            )  # fmt: skip
            shutil.unpack_archive(f'{tree}.tar.gz', self.directory)
        return tree

    def listing(self, *directories: pathlib.Path) -> set[str]:
        """Every file of the site directories, byte code aside."""
        return {
            str(path)
            for directory in directories or (self.site,)
            for path in directory.rglob('*')
            if path.suffix != '.pyc' and path.name != '__pycache__'
        }

    def python_said(self, program: str, *words: str, **env: str) -> str:
        """What a program prints that this environment's Python runs."""
        return run(
            *(self.python, '-P', '-c', program, *words),
            cwd=self.directory,
            env=clean() | env,
        )

    def finders(self, *, start_files: bool = False) -> int:
        """How many finders of ours a new process has.

        :param start_files: also do what Python 3.15 does with .start files.
        """
        return int(self.python_said(START * start_files + FINDERS))

    def probe(self, *drivers: str, **env: str) -> list[str]:
        """Load drivers by name in a process of their own.

        :returns: where Nova was found, and for each name the class that
            was loaded, or why none was.
        """
        said = self.python_said(PROBE, *drivers, **env)
        found: list[str] = json.loads(said)
        return found
