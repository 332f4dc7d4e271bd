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
"""Whole migrations: Nova's driver, ours, and virsh alone as the floor."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import statistics
import time
from typing import Any

from blocklab import lab as labs
from blocklab.migration import instance as instances
from blocklab.migration import scenario
from nova_blockmig.tests.bench import moving
from nova_blockmig.tests.bench import phases
from nova_blockmig.tests.bench import rows

MIB = 2**20
DRIVERS = {'nova': 'in-tree', 'ours': 'blockmig'}
ROADS = {'nova': 'Nova', 'ours': 'nova-blockmig', 'virsh': 'virsh alone'}
_MEMORY_MIB = 160


@dataclasses.dataclass(frozen=True)
class Guest:
    """A guest that is migrated.

    :ivar prepare: commands that it runs before, once.
    :ivar large: only measured if it is asked for.
    :ivar once: a second migration of it would be another one, as the
        ephemeral disk of the first stands alone on the destination.
    """

    name: str
    what: str
    flavor: scenario.Flavor
    prepare: tuple[str, ...] = ()
    large: bool = False
    once: bool = False


def _flavor(ephemeral_gib: int = 0) -> scenario.Flavor:
    return scenario.Flavor(
        memory_mib=_MEMORY_MIB,
        disk_gib=10,
        ephemeral_gib=ephemeral_gib,
        swap_mib=0,
    )


def _write(device: str, mib: int, start: int = 512) -> str:
    """Fill so much of a disk with what does not compress to nothing."""
    return (
        f'dd if=/dev/urandom of=/run/piece bs=1M count=8; n=0; '
        f'while [ $n -lt {mib} ]; do dd if=/run/piece of={device} bs=1M '
        f'seek=$(({start} + n)) conv=notrunc || exit 1; n=$((n + 8)); done; '
        'sync'
    )


def _keep_writing(mib: int) -> str:
    """Write so much each second, over and over into half a GiB."""
    return (
        f'dd if=/dev/urandom of=/run/piece bs=1M count={mib}; '
        'while :; do n=0; while [ $n -lt 50 ]; do '
        f'dd if=/run/piece of=/dev/vda bs=1M seek=$((512 + n * {mib})) '
        'conv=notrunc,fsync; sleep 1; n=$((n + 1)); done; done '
        '>/dev/null 2>&1 </dev/null &'
    )


GUESTS = (
    Guest('empty', 'root of 10 GiB, idle', _flavor()),
    Guest(
        'written-1g',
        '1 GiB written to the root',
        _flavor(),
        (_write('/dev/vda', 1024),),
    ),
    Guest(
        'written-4g',
        '4 GiB written to the root',
        _flavor(),
        (_write('/dev/vda', 4096),),
        large=True,
    ),
    Guest(
        'writing-10',
        'writes 10 MiB each second',
        _flavor(),
        (_keep_writing(10),),
    ),
    Guest(
        'writing-30',
        'writes 30 MiB each second',
        _flavor(),
        (_keep_writing(30),),
        large=True,
    ),
    Guest(
        'ephemeral-20g', 'ephemeral of 20 GiB, fresh', _flavor(20), once=True
    ),
    Guest(
        'ephemeral-20g-used',
        'ephemeral of 20 GiB, 512 MiB written',
        _flavor(20),
        (_write('/dev/vdb', 512),),
        once=True,
    ),
    Guest(
        'ephemeral-100g',
        'ephemeral of 100 GiB, fresh',
        _flavor(100),
        large=True,
        once=True,
    ),
)


def run(options: rows.Options) -> list[rows.Case]:
    assert options.lab
    chosen = [
        guest
        for guest in GUESTS
        if (guest.name in options.cases)
        or (not options.cases and (options.size == 'large' or not guest.large))
    ]
    found: dict[str, dict[str, list[moving.Moved]]] = {
        guest.name: {road: [] for road in ROADS} for guest in chosen
    }
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        work = _Work(options.lab, stack)
        for turn in range(options.turns):
            if turn and time.monotonic() - began > options.minutes * 60:
                break
            names = list(DRIVERS)
            for road in reversed(names) if turn % 2 else names:
                work.use(DRIVERS[road])
                for guest in chosen:
                    found[guest.name][road].append(work.nova(guest))
            for guest in chosen:
                found[guest.name]['virsh'] += work.virsh(guest)
    return [_case(guest, found[guest.name]) for guest in chosen]


class _Work:
    """The guests that are there."""

    def __init__(self, name: str, stack: contextlib.ExitStack) -> None:
        self._name = name
        self._stack = stack
        self._lab = labs.Lab(name)
        self._guests: dict[str, instances.Instance] = {}

    def use(self, driver: str) -> None:
        """Run a driver, with a migration behind it that is not counted.

        The first one of a nova-compute takes longer: connections are made,
        modules imported.
        """
        self._lab = moving.use(self._name, driver)
        warm = self._guest(GUESTS[0])
        for _ in range(2):
            moving.by_nova(self._lab, warm)

    def nova(self, guest: Guest) -> moving.Moved:
        if guest.once:
            self._forget(guest)
        return moving.by_nova(self._lab, self._guest(guest))

    def virsh(self, guest: Guest) -> Iterator[moving.Moved]:
        """There and back."""
        if guest.once:
            self._forget(guest)
        there = self._guest(guest)
        host = there.host_name
        yield moving.by_virsh(self._lab, there, host)
        yield moving.by_virsh(self._lab, there, moving.other(host))
        moving.clean(self._lab, there, moving.other(host))

    def _guest(self, guest: Guest) -> instances.Instance:
        if guest.name not in self._guests:
            made = moving.boot(self._lab, f'bench-{guest.name}', guest.flavor)
            self._guests[guest.name] = made
            self._stack.callback(self._forget, guest)
            for command in guest.prepare:
                moving.run(made, command)
        return self._guests[guest.name]

    def _forget(self, guest: Guest) -> None:
        if made := self._guests.pop(guest.name, None):
            instances.Instance(self._lab, made.id).delete()


def _case(guest: Guest, roads: dict[str, list[moving.Moved]]) -> rows.Case:
    case: rows.Case = {
        'name': guest.name,
        'guest': guest.what,
        'turns': len(roads['ours']),
    }
    for road, moves in roads.items():
        numbers: dict[str, Callable[[moving.Moved], Any]] = {
            'seconds': lambda move: move.spent.seconds,
            'sent_bytes': lambda move: move.spent.sent_bytes,
            'qemu_seconds': lambda move: move.spent.qemu_seconds,
            'nova_seconds': lambda move: move.spent.nova_seconds,
            'downtime_ms': lambda move: move.downtime_ms,
            'source_bytes': lambda move: sum(
                size.allocated_bytes for size in move.source.values()
            ),
            'arrived_bytes': lambda move: sum(
                size.allocated_bytes for size in move.arrived.values()
            ),
        }
        case[road] = {
            name: [number(move) for move in moves]
            for name, number in numbers.items()
        }
        for name in numbers:
            case[f'{road}_{name}'] = _median(case[road][name])
        for phase in phases.NAMES:
            case[f'{road}_{phase}'] = _median(
                [(move.phases or {}).get(phase) for move in moves]
            )
    for name in ('seconds', 'sent_bytes', 'downtime_ms', 'qemu_seconds'):
        case[f'ratio_{name}'] = _ratio(case, name)
    return case


def _median(values: Sequence[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return float(statistics.median(known)) if known else None


def _ratio(case: rows.Case, name: str) -> float | None:
    return _median(
        [
            ours / nova
            for ours, nova in zip(
                case['ours'][name], case['nova'][name], strict=True
            )
            if ours is not None and nova
        ]
    )


def _of(road: str, key: str, form: str, by: float = 1) -> rows.Column:
    return rows.Column(ROADS[road], f'{road}_{key}', form, by)


_GUEST = rows.Column('Guest', 'guest')

ROW = rows.Row(
    name='migration',
    title='Whole migrations',
    run=run,
    needs_lab=True,
    columns=(
        _GUEST,
        *(_of(road, 'seconds', '.1f') for road in ROADS),
        rows.Column('nova-blockmig / Nova', 'ratio_seconds', '.2f'),
        rows.Column('Turns', 'turns'),
    ),
    more={
        'bytes': (
            _GUEST,
            *(_of(road, 'sent_bytes', '.1f', MIB) for road in ROADS),
            rows.Column('nova-blockmig / Nova', 'ratio_sent_bytes', '.3f'),
            rows.Column('On the source', 'ours_source_bytes', '.1f', MIB),
            rows.Column('Arrived, Nova', 'nova_arrived_bytes', '.1f', MIB),
            rows.Column(
                'Arrived, nova-blockmig', 'ours_arrived_bytes', '.1f', MIB
            ),
        ),
        'downtime': (
            _GUEST,
            *(_of(road, 'downtime_ms', '.0f') for road in ROADS),
            rows.Column('nova-blockmig / Nova', 'ratio_downtime_ms', '.2f'),
        ),
        'processor': (
            _GUEST,
            *(
                rows.Column(f'{what}, {ROADS[road]}', f'{road}_{key}', '.2f')
                for what, key in (
                    ('QEMU', 'qemu_seconds'),
                    ('nova-compute', 'nova_seconds'),
                )
                for road in ROADS
                if (road, key) != ('virsh', 'nova_seconds')
            ),
        ),
        'phases': (
            _GUEST,
            *(
                rows.Column(
                    f'{phase}, {ROADS[road]}', f'{road}_{phase}', '.2f'
                )
                for phase in phases.NAMES
                for road in DRIVERS
            ),
        ),
    },
)
