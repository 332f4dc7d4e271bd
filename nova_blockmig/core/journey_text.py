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

"""How a drain is shown while it runs: a line for each that is under way."""

from collections.abc import Mapping

from nova_blockmig.core import drain_record
from nova_blockmig.core import migration_progress
from nova_blockmig.core import terminal_text
from nova_blockmig.core import verdict

State = drain_record.State
_WIDEST_NAME = 24


def live_lines(
    journey: drain_record.Journey,
    running: Mapping[str, migration_progress.Migration],
    columns: int,
) -> list[str]:
    """A summary, and a bar for each instance that is under way."""
    name = max(min(_WIDEST_NAME, (columns - 12) // 2), 8)
    lines = [summary(journey)]
    for entry in journey.of(State.MOVING):
        lines.append(
            f'  {terminal_text.fit(entry.name, name)} '
            + _state(running.get(entry.id), columns - name - 3)
        )
    return [terminal_text.fit(line, columns).rstrip() for line in lines]


def summary(journey: drain_record.Journey) -> str:
    """How many are where, in one clause."""
    counts = drain_record.totals(journey.entries.values())
    found = ', '.join(f'{number} {state}' for state, number in counts.items())
    return found or 'no instances'


def _state(
    migration: migration_progress.Migration | None, columns: int
) -> str:
    if migration is None:
        return 'requested'
    phase = migration_progress.phase(migration)
    total = migration.all
    if not total.total:
        return str(phase)
    share = terminal_text.percent(total.done, total.total)
    length = max(min(columns - len(phase) - 8, 30), 7)
    bar = terminal_text.bar(total.done, total.total, length)
    return f'{bar} {share:3} % {phase}'


def arrived(entry: drain_record.Entry) -> str:
    """What is said of an instance that has arrived."""
    attempt = entry.attempts[-1]
    return (
        f'{entry.name}: moved to {attempt.destination} in '
        f'{terminal_text.duration(attempt.seconds)}'
    )


def asked(entry: drain_record.Entry) -> str:
    """What is said when a migration was asked for."""
    attempt = entry.attempts[-1]
    size = verdict.human(entry.memory_mb * 2**20 + entry.disk_gb * 2**30)
    return (
        f'{entry.name}: {attempt.way} migration to {attempt.destination}, '
        f'up to {size}'
    )
