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

"""What a drain remembers: who was on the host, and what became of them.

It is written at every step, so that whoever comes after an interruption
knows as much as the one who was interrupted. Times are seconds since 1970.
"""

from collections.abc import Iterable
import dataclasses
import enum
import json
from typing import Any

from nova_blockmig.core import servers

VERSION = 1


class State(enum.StrEnum):
    """What became of an instance so far."""

    PLANNED = 'planned'
    MOVING = 'moving'
    MOVED = 'moved'
    FAILED = 'failed'
    STAYS = 'stays'
    GONE = 'gone'


@dataclasses.dataclass
class Attempt:
    """One migration that was asked for.

    :ivar source: the host it was on.
    :ivar ended: None while it runs.
    :ivar reason: why it failed; empty if it did not.
    """

    source: str
    destination: str
    way: str
    began: float
    ended: float | None = None
    reason: str = ''

    @property
    def seconds(self) -> float:
        return (self.ended or self.began) - self.began


@dataclasses.dataclass
class Entry:
    """One instance.

    :ivar destination: where it is to go or has gone; empty if undecided.
    :ivar reason: why it is not there.
    """

    id: str
    name: str
    project_id: str
    memory_mb: int
    disk_gb: int
    status: str
    state: State = State.PLANNED
    destination: str = ''
    reason: str = ''
    attempts: list[Attempt] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Journey:
    """All instances that are to leave a host, or to come to it.

    :ivar ended: None until nothing is left to do.
    """

    began: float
    ended: float | None = None
    entries: dict[str, Entry] = dataclasses.field(default_factory=dict)

    def add(self, server: servers.Server) -> Entry:
        """An entry for an instance that was not known before."""
        entry = Entry(
            id=server.id,
            name=server.name,
            project_id=server.project_id,
            memory_mb=server.memory_mb,
            disk_gb=server.disk_gb,
            status=server.status,
        )
        self.entries[server.id] = entry
        return entry

    def of(self, *states: State) -> list[Entry]:
        """The entries in these states, in the order of the plan."""
        return [each for each in self.entries.values() if each.state in states]

    def again(self) -> None:
        """What did not work is to be tried again; what moves, moves on."""
        self.ended = None
        for entry in self.of(State.FAILED, State.STAYS):
            entry.state, entry.destination = State.PLANNED, ''


@dataclasses.dataclass
class Record:
    """A drain, and the way back if it has begun.

    :ivar disabled: the reason that the compute service was disabled with;
        empty if it was disabled already.
    """

    host: str
    disabled: str
    drain: Journey
    restore: Journey | None = None

    @property
    def is_over(self) -> bool:
        """Whether everybody is back, so that a new drain begins anew."""
        return self.restore is not None and self.restore.ended is not None

    def to_json(self) -> str:
        """The text of a record file."""
        content = {'version': VERSION, **dataclasses.asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False) + '\n'


def from_json(text: str) -> Record:
    """The record in the text of a file.

    :raises ValueError: it is not a record, or has a later version.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or 'version' not in content:
        raise ValueError('it is not a drain record')
    if content.pop('version') != VERSION:
        raise ValueError(
            'it was written by a different version of nova-blockmig'
        )
    try:
        restore = content.pop('restore')
        return Record(
            drain=_journey(content.pop('drain')),
            restore=_journey(restore) if restore else None,
            **content,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'it is damaged ({error!r})') from error


def _journey(content: dict[str, Any]) -> Journey:
    entries = [_entry(each) for each in content.pop('entries').values()]
    return Journey(entries={entry.id: entry for entry in entries}, **content)


def _entry(content: dict[str, Any]) -> Entry:
    return Entry(
        state=State(content.pop('state')),
        attempts=[Attempt(**each) for each in content.pop('attempts')],
        **content,
    )


def totals(entries: Iterable[Entry]) -> dict[State, int]:
    """State -> how many are in it, for those that occur."""
    counts: dict[State, int] = {}
    for state in State:
        if number := sum(entry.state is state for entry in entries):
            counts[state] = number
    return counts
