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

"""Who goes where when a compute host is emptied or filled again."""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import math

from nova_blockmig.core import migration_progress
from nova_blockmig.core import servers

# What these say is of the source or of the instance: it is the same with
# every destination.
_NOWHERE = (
    'cannot be block migrated from',
    'must be flattened on the source',
    'could not be flattened on the source',
    'a migration would lose',
    'here paused and has not been resumed',
    'cannot be migrated: ',
    'install nova-blockmig on ',
)
_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Step:
    """What becomes of one instance.

    :ivar reason: why it waits or stays.
    """

    server: servers.Server
    way: servers.Way
    destination: str = ''
    reason: str = ''

    @property
    def moves(self) -> bool:
        return bool(self.destination)


def plan(
    going: Iterable[servers.Server],
    rooms: Mapping[str, servers.Room],
    *,
    cold: bool,
    tried: Mapping[str, Collection[str]] | None = None,
) -> tuple[Step, ...]:
    """A step for every instance: first those that move, in their order.

    The large ones choose first, and each where most is left after those
    that have chosen before.

    :param rooms: every host that may be a destination.
    :param cold: whether those that are shut off may move cold.
    :param tried: instance -> hosts that are not to be tried again.
    """
    left = dict(rooms)
    steps = []
    for server in sorted(going, key=_large_first):
        way, reason = servers.way(server, cold=cold)
        host = ''
        if way in (servers.Way.LIVE, servers.Way.COLD):
            host, reason = _choose(
                server, left, (tried or {}).get(server.id, ())
            )
            if host:
                left[host] = left[host].after(server)
            else:
                way = servers.Way.STAYS
        steps.append(Step(server, way, host, reason))
    return tuple(sorted(steps, key=lambda step: not step.moves))


def _large_first(server: servers.Server) -> tuple[int, int, str]:
    return -server.memory_mb, -server.disk_gb, server.name


def _choose(
    server: servers.Server,
    left: Mapping[str, servers.Room],
    tried: Collection[str],
) -> tuple[str, str]:
    """A host, or why there is none."""
    missing = {
        host: room.missing(server)
        for host, room in left.items()
        if host not in tried
    }
    fitting = [left[host] for host, lacks in missing.items() if not lacks]
    if fitting:
        return max(fitting, key=_spare).host, ''
    if not missing:
        return '', (
            'all other hosts have been tried'
            if tried
            else 'no other compute host is up and enabled'
        )
    lacking = [f'{host} lacks {of}' for host, of in sorted(missing.items())]
    more = len(lacking) - _NAMED
    if more > 0:
        lacking[_NAMED:] = [f'and {more} more']
    return '', 'no host has enough free resources: ' + ', '.join(lacking)


def _spare(room: servers.Room) -> tuple[float, float, list[int]]:
    return (
        math.inf if room.memory_mb is None else room.memory_mb,
        math.inf if room.disk_gb is None else room.disk_gb,
        [-ord(character) for character in room.host],  # the first by name
    )


def worth_trying_elsewhere(reason: str) -> bool:
    """Whether another destination may give another answer."""
    return not any(words in reason for words in _NOWHERE)


def time_needed(
    past: Sequence[migration_progress.Migration], count: int, at_once: int
) -> tuple[float, float] | None:
    """Seconds that so many migrations may take, from those of the past.

    From the middle half of them, so that one odd migration does not matter;
    None if there were none.
    """
    taken = sorted(
        migration.seconds
        for migration in past
        if migration.completed and migration.kind == 'live-migration'
    )
    if not taken or not count:
        return None
    rounds = math.ceil(count / at_once)
    quarter = len(taken) // 4
    return rounds * taken[quarter], rounds * taken[-1 - quarter]
