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

"""What became of each cell: JSON, and the table of the documentation."""

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

GOOD = 'good'
DEBRIS = 'debris'
BROKEN = 'broken'
LOST = 'lost'
MISSED = 'missed'
NOT_RUN = 'not run'

COLUMNS = (
    'Step', 'Fault', 'Driver', 'Verdict', 'Migration', 'Afterwards',
    'Nova', 'libvirt', 'QEMU', 'Seed', 'Date',
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One cell that was run.

    :ivar hit: whether the step was still going on when the fault came.
    :ivar migration: Nova's last word on the first attempt.
    :ivar lost: what of the guest's data is wrong, or that it runs twice.
    :ivar problems: what else was wrong in the end, see
        `blocklab.chaos.judge`.
    :ivar again: Nova's last word on the second attempt.
    :ivar seconds: of the whole cell.
    :ivar versions: of Nova, libvirt and QEMU.
    :ivar timings: part of the cell -> seconds.
    """

    cell: str
    driver: str
    seed: int
    date: str
    versions: Mapping[str, str]
    hit: bool = False
    migration: str = ''
    lost: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    again: str = ''
    seconds: float = 0
    notes: tuple[str, ...] = ()
    observed: Mapping[str, object] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)


def verdict(result: Mapping[str, Any]) -> str:
    """One word for a result as JSON has it."""
    if not result['hit']:
        return MISSED
    if result['lost']:
        return LOST
    if result['again'] != 'completed':
        return BROKEN
    return DEBRIS if result['problems'] else GOOD


def known(results: Iterable[Mapping[str, Any]], driver: str) -> set[str]:
    """The cells that were run with a driver, and not missed."""
    return {
        result['cell']
        for result in results
        if result['driver'] == driver and verdict(result) != MISSED
    }


def rows(results: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The rows of the table; of two results for a cell the later counts."""
    latest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for result in results:
        key = result['cell'], result['driver']
        if key not in latest or verdict(result) != MISSED:
            latest[key] = result
    return [_row(latest[key]) for key in latest]


def not_run(
    names: Iterable[str], results: Iterable[Mapping[str, Any]]
) -> list[tuple[str, ...]]:
    """A row for each cell that no driver was run in, in their order."""
    run = {result['cell'] for result in results}
    empty = ('-',) * (len(COLUMNS) - 4)
    return [
        (*name.split(':', 1), '-', NOT_RUN, *empty)
        for name in names
        if name not in run
    ]


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    step, _, fault = result['cell'].partition(':')
    versions = result['versions']
    return (
        step,
        fault,
        result['driver'],
        verdict(result),
        result['migration'],
        '; '.join((*result['lost'], *result['problems'], *result['notes']))
        or '-',
        versions['nova'],
        versions['libvirt'],
        versions['qemu'],
        str(result['seed']),
        result['date'],
    )
