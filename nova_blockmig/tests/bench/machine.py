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

"""What machine the numbers are from."""

from importlib import metadata
import os
import pathlib
import platform
import re
import subprocess

CHECKOUT = pathlib.Path(__file__).parents[3]


def described() -> dict[str, str]:
    """Hardware and versions."""
    return {
        'processor': f'{os.cpu_count()} x {_processor()}',
        'memory': f'{_memory_gib():.0f} GiB',
        'system': _system(),
        'kernel': platform.release(),
        'python': platform.python_version(),
        'qemu': _version('qemu-img', '--version'),
        'libvirt': _version('libvirtd', '--version'),
        'nova': metadata.version('nova'),
    }


def revision() -> str:
    """The commit that is checked out, with a + if something is changed."""
    said = _run('git', 'describe', '--always', '--dirty=+', '--exclude=*')
    return said or 'unknown'


def _processor() -> str:
    text = pathlib.Path('/proc/cpuinfo').read_text()
    found = re.search(r'^model name\s*: (.*)$', text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gib() -> float:
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30


def _system() -> str:
    try:
        return platform.freedesktop_os_release()['PRETTY_NAME']
    except OSError:
        return platform.platform()


def _version(*command: str) -> str:
    found = re.search(r'\d+\.\d+\.\d+', _run(*command))
    return found[0] if found else 'not there'


def _run(*command: str) -> str:
    try:
        return subprocess.run(
            command,
            cwd=CHECKOUT,
            capture_output=True,
            check=False,
            text=True,
        ).stdout.strip()
    except FileNotFoundError:
        return ''
