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

"""What is wrong after a fault: facts in, sentences out."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass
from dataclasses import field

# After an end nobody works on the instance any more.
_ALIVE = ('ACTIVE', 'PAUSED')


@dataclass(frozen=True)
class Observed:
    """The instance, as everybody who keeps books of it has it.

    :ivar active: hosts where libvirt runs it, be it paused.
    :ivar defined: hosts where libvirt knows it, running or not.
    :ivar host: where Nova has it.
    :ivar status: Nova's.
    :ivar task: Nova's task state.
    :ivar allocations: hosts whose resources Placement gives to it.
    :ivar migration_allocations: the same for its migrations.
    :ivar bindings: host -> statuses of its ports' bindings there.
    :ivar left: host -> paths of what is left of it there, or of a check,
        where Nova does not have it.
    :ivar marks: paths that say that a guest is on its way.
    """

    active: tuple[str, ...]
    defined: tuple[str, ...]
    host: str
    status: str
    task: str | None
    allocations: tuple[str, ...]
    migration_allocations: tuple[str, ...] = ()
    bindings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left: Mapping[str, Sequence[str]] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return dataclasses.asdict(self)


def problems(seen: Observed, *, guest_may_die: bool = False) -> list[str]:
    """What is not as it should be; each a sentence without its full stop.

    :param guest_may_die: the fault was the death of the guest itself: it
        may be off, but Nova has to know.
    """
    return [
        *_guest(seen, guest_may_die=guest_may_die),
        *_books(seen),
        *_leftovers(seen),
    ]


def _guest(seen: Observed, *, guest_may_die: bool) -> list[str]:
    found = []
    if len(seen.active) > 1:
        found.append(f'the guest runs on {" and on ".join(seen.active)}')
    if not seen.active and not guest_may_die:
        found.append('the guest runs nowhere')
    if seen.active and seen.host not in seen.active:
        found.append(
            f'Nova has the guest on {seen.host}, it runs on {seen.active[0]}'
        )
    if seen.status not in (_ALIVE if seen.active else (*_ALIVE, 'SHUTOFF')):
        found.append(f'Nova shows {seen.status}')
    if not seen.active and seen.status in _ALIVE:
        found.append(f'Nova shows {seen.status} for a guest that is off')
    if seen.task is not None:
        found.append(f'Nova still shows the task {seen.task}')
    return found


def _books(seen: Observed) -> list[str]:
    found = []
    if seen.allocations != (seen.host,):
        found.append(
            'Placement has its allocations on '
            f'{", ".join(seen.allocations) or "no host"}, not on {seen.host}'
        )
    found += [
        f'Placement keeps allocations of a migration on {host}'
        for host in seen.migration_allocations
    ]
    for host, statuses in seen.bindings.items():
        if host != seen.host:
            found.append(f'a port is still bound to {host}')
        elif set(statuses) != {'ACTIVE'}:
            found.append(f'a port binding to {host} is not active')
    if seen.bindings and seen.host not in seen.bindings:
        found.append(f'no port is bound to {seen.host}')
    return found


def _leftovers(seen: Observed) -> list[str]:
    found = [
        f'left on {host}: {_some(paths)}'
        for host, paths in seen.left.items()
        if paths
    ]
    found += [
        f'libvirt on {host} still knows the guest'
        for host in seen.defined
        if host != seen.host and host not in seen.active
    ]
    if seen.marks:
        found.append(f'marked as on its way: {_some(seen.marks)}')
    return found


def _some(paths: Sequence[str], most: int = 3) -> str:
    shown = ', '.join(sorted(paths)[:most])
    more = len(paths) - most
    return shown + (f' and {more} more' if more > 0 else '')


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What of the disks reads differently; '' if nothing does.

    :param before: disk -> digest; `after` has to have the same disks.
    """
    names = sorted(
        name
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    )
    return ', '.join(names)
