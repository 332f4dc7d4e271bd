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

"""What a lab remembers between two calls of labctl: STATE/lab.json.

The file holds the lab's passwords, so only root can read it.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass
from dataclasses import field
import json
import os
from pathlib import Path
import secrets
import threading

from blocklab.machine import releases
from blocklab.machine.errors import BadInput
from blocklab.machine.layout import COMPUTES
from blocklab.machine.layout import CONTROLLER

DRIVERS = {
    'in-tree': 'libvirt.LibvirtDriver',
    'blockmig': 'nova_blockmig.LibvirtDriver',
}
# What tells a Nova service which kind of threads to use.
BACKENDS = {
    'eventlet': {'OS_NOVA_DISABLE_EVENTLET_PATCHING': 'false'},
    'threading': {'OS_NOVA_DISABLE_EVENTLET_PATCHING': 'true'},
}
# What a lab has only if it is asked for.
OPTIONAL = ('cinder',)

# host -> section -> option -> value
Extra = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True)
class Choices:
    """What the operator can choose; `labctl up` without any means these.

    :ivar drivers: compute host -> 'in-tree' or 'blockmig'.
    :ivar concurrency: compute host -> 'eventlet' or 'threading'; a host
        that is not named uses the release's own default.
    :ivar systems: compute host -> Debian release; a host that is not named
        is this machine, and the others have a root of their own.
    :ivar extra: settings for a host's nova.conf beyond the lab's own.
    :ivar cinder: whether the lab has volumes.
    """

    release: str = releases.DEFAULT
    drivers: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(COMPUTES, 'blockmig')
    )
    concurrency: Mapping[str, str] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)
    cinder: bool = False


@dataclass
class Settings:
    """The lab's memory.

    :ivar done: names of the set-up steps that need not be repeated.
    """

    path: Path
    choices: Choices
    passwords: Mapping[str, str] = field(repr=False)
    done: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(
        default_factory=threading.Lock, repr=False, compare=False
    )

    def save(self) -> None:
        content = {
            'choices': dataclasses.asdict(self.choices),
            'passwords': dict(self.passwords),
            'done': self.done,
        }
        temporary = self.path.with_suffix('.new')
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )
        with open(descriptor, 'w') as out:
            json.dump(content, out, indent=2)
        temporary.rename(self.path)

    def mark_done(self, step: str) -> None:
        """Remember a set-up step; steps may end at the same time."""
        with self._lock:
            if step not in self.done:
                self.done.append(step)
                self.save()


def create(path: Path, choices: Choices) -> Settings:
    """The settings of a new lab, with passwords of its own, saved."""
    passwords = {
        account: secrets.token_urlsafe(18)
        for account in ('admin', 'service', 'database', 'rabbit')
    }
    settings = Settings(path, choices, passwords)
    settings.save()
    return settings


def load(path: Path) -> Settings | None:
    """The settings of the lab, or None when there is no lab.

    :raises BadInput: the file is there, but is not ours or is damaged.
    """
    try:
        content = json.loads(path.read_text())
        return Settings(
            path,
            Choices(**content['choices']),
            content['passwords'],
            content['done'],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise BadInput(
            f'{path} is damaged.',
            'Remove what is left of this lab with "labctl down --wipe".',
        ) from None


def per_host(
    option: str, words: Iterable[str], allowed: Iterable[str]
) -> dict[str, str]:
    """Compute host -> value, from words like 'in-tree' or 'server2=in-tree'.

    A word without a host is for both; of two words for a host the later
    one counts.

    :raises BadInput: no such host, or a value that is not allowed.
    """
    chosen = {}
    for word in words:
        host, separator, value = word.rpartition('=')
        if value not in allowed:
            raise BadInput(
                f'{option}: {value!r} is not known.',
                'Choose one of ' + ', '.join(allowed) + '.',
            )
        if separator and host not in COMPUTES:
            raise BadInput(
                f'{option}: there is no compute host {host!r}.',
                'The compute hosts are ' + ', '.join(COMPUTES) + '.',
            )
        for name in (host,) if separator else COMPUTES:
            chosen[name] = value
    return chosen


def extra_settings(
    words: Iterable[str],
) -> dict[str, dict[str, dict[str, str]]]:
    """Settings from words like 'server2:libvirt.images_type=raw'.

    A word without a host is for the nova.conf of every host.

    :raises BadInput: a word is not of that form.
    """
    chosen: dict[str, dict[str, dict[str, str]]] = {}
    for word in words:
        name, equals, value = word.partition('=')
        host, colon, rest = name.rpartition(':')
        section, dot, option = rest.partition('.')
        if not (equals and dot and section and option):
            raise BadInput(
                f'--set: {word!r} is not of the form '
                'HOST:section.option=value.',
                'Write for example server2:libvirt.images_type=raw.',
            )
        if colon and host not in (CONTROLLER, *COMPUTES):
            raise BadInput(
                f'--set: there is no host {host!r}.',
                f'The hosts are {CONTROLLER}, ' + ', '.join(COMPUTES) + '.',
            )
        for each in (host,) if colon else (CONTROLLER, *COMPUTES):
            sections = chosen.setdefault(each, {})
            sections.setdefault(section, {})[option] = value
    return chosen
