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


"""The mirrors that apt on this machine has, for another Debian release.

Only the standard library is needed here: tools/bare-root uses it as well, on
a machine that has nothing yet.
"""

from collections.abc import Iterable
from pathlib import Path
import re

from blocklab.machine.errors import BadInput

KEYRING = Path('/usr/share/keyrings/debian-archive-keyring.gpg')
# What "apt-get indextargets" is asked for, to be parsed by `parse`.
FORMAT = '$(RELEASE)|$(REPO_URI)|$(COMPONENT)'
# Of "apt-config dump", the ways to a mirror; the rest comes with a release.
_SETTINGS = re.compile(
    r'Acquire::(http|https|Retries|Check-Valid-Until|Check-Date)\b'
)

# A release as apt's sources name it, where its files are, their component.
Mirror = tuple[str, str, str]


def own() -> str:
    """The code name of this machine's Debian; empty if it is another."""
    try:
        text = Path('/etc/os-release').read_text()
    except FileNotFoundError:
        return ''
    found = dict(re.findall(r'^(\w+)="?(.*?)"?$', text, re.MULTILINE))
    if found.get('ID') != 'debian':
        return ''
    return str(found.get('VERSION_CODENAME', ''))


def parse(listing: str) -> list[Mirror]:
    """What "apt-get indextargets" has said in `FORMAT`, each line once."""
    lines = dict.fromkeys(listing.splitlines())
    split = (line.split('|') for line in lines)
    return [(name, uri, component) for name, uri, component in split]


def translated(
    found: Iterable[Mirror], ours: str, wanted: str
) -> list[Mirror]:
    """The same mirrors with another release.

    :param found: what this machine's apt has.
    :param ours: the code name of this machine's release.
    :param wanted: the code name of the release to have.
    :raises BadInput: none of them is Debian's own.
    """
    names = (ours, f'{ours}-updates', f'{ours}-security') if ours else ()
    result = [
        (wanted + name.removeprefix(ours), uri, component)
        for name, uri, component in found
        if name in names
    ]
    if wanted not in [name for name, _, _ in result]:
        raise BadInput(
            'apt on this machine has no mirror of its own Debian release.',
            'A root of another release needs one: see '
            '/etc/apt/sources.list.d.',
        )
    return result


def of(found: Iterable[Mirror], release: str) -> str:
    """Where debootstrap gets a release from."""
    return next(uri for name, uri, _ in found if name == release)


def sources(found: Iterable[Mirror]) -> str:
    """The content of a sources.list."""
    return ''.join(
        f'deb [signed-by={KEYRING}] {uri} {name} {component}\n'
        for name, uri, component in found
    )


def settings(dump: str) -> str:
    """What of "apt-config dump" a root needs to reach the mirrors."""
    return ''.join(
        f'{line}\n'
        for line in dump.splitlines()
        if _SETTINGS.match(line) and not line.endswith('"";')
    )
