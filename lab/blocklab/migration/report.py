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

"""The report of the demo: values in, text or JSON out."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass
from typing import Any

from blocklab.guest.console import Summary
from blocklab.guest.disks import Device
from blocklab.guest.disks import DiskSize
from blocklab.guest.disks import DiskState

_UNITS = ('KiB', 'MiB', 'GiB', 'TiB')


@dataclass(frozen=True)
class GuestView:
    """What the guest itself says of one disk, since it was started.

    :ivar checked: how many things it read again in its latest look.
    :ivar right: how many of them were what they should be.
    :ivar wrong: what it found to be different: its own files, 'device'
        (all of a config drive), 'signature' (what mkfs or mkswap wrote),
        'memory' (what it had moved to swap).
    """

    checked: int
    right: int
    wrong: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.wrong and 0 < self.checked == self.right


@dataclass(frozen=True)
class DiskRow:
    """One disk in one move.

    The digests are those of a guest that does not run, or of a disk that
    cannot be written to; None where neither is so.

    :ivar allocated_bytes: on the destination, without the backing file.
    :ivar backing: the backing file's name on the destination, or None.
    """

    name: str
    virtual_bytes: int
    allocated_bytes: int
    backing: str | None
    sha256_before: str | None
    sha256_after: str | None
    guest: GuestView | None

    @property
    def identical(self) -> bool:
        """By the digests, and by what the guest says, where there are."""
        if self.sha256_before is None and self.guest is None:
            return False
        same = self.sha256_before == self.sha256_after
        return same and (self.guest is None or self.guest.sound)


@dataclass(frozen=True)
class Move:
    """One migration.

    :ivar seconds: from the client's request to Nova's record of the end.
    :ivar memory_bytes: what libvirt counted as sent; None if it kept no
        count. disk_bytes is what was to be copied, at its highest.
    :ivar downtime_ms: as libvirt measured it; None if it did not.
    :ivar guest_runs: whether the guest runs on, and was not restarted.
    :ivar cpu_percent: host -> the mean share of one processor that its
        QEMU used meanwhile.
    :ivar reason: what Nova tells of a migration that did not complete.
    """

    title: str
    command: str
    source: str
    destination: str
    status: str
    seconds: float
    memory_bytes: int | None
    disk_bytes: int | None
    downtime_ms: int | None
    guest_runs: bool
    statuses: tuple[str, ...]
    connections: tuple[str, ...]
    cpu_percent: Mapping[str, float]
    disks: tuple[DiskRow, ...]
    reason: str = ''

    @property
    def sound(self) -> bool:
        return (
            self.status == 'completed'
            and self.guest_runs
            and bool(self.disks)
            and all(disk.identical for disk in self.disks)
        )


@dataclass(frozen=True)
class Report:
    """All moves of one instance. `driver` names the driver of each host."""

    instance: str
    uuid: str
    driver: str
    release: str
    nova_version: str
    moves: tuple[Move, ...]

    @property
    def sound(self) -> bool:
        """Whether every migration completed and every disk is the same."""
        return bool(self.moves) and all(move.sound for move in self.moves)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON knows it; sizes in bytes."""
        first = self.moves[0]
        ends = (m.status for m in self.moves if m.status != 'completed')
        return {
            'instance': self.instance,
            'uuid': self.uuid,
            'source': first.source,
            'destination': first.destination,
            'status': next(ends, 'completed'),
            'identical': self.sound,
            'driver': self.driver,
            'release': self.release,
            'nova_version': self.nova_version,
            'seconds': round(sum(move.seconds for move in self.moves), 1),
            'disks': [_disk(row) for row in overall(self.moves)],
            'moves': [_move(move) for move in self.moves],
        }


def overall(moves: Sequence[Move]) -> list[DiskRow]:
    """One row a disk over all moves: the first digest and the last one.

    A disk that one move damaged stays damaged in the row, even where the
    move after it changed nothing more.
    """
    rows: dict[str, DiskRow] = {}
    for row in (row for move in moves for row in move.disks):
        before = rows.get(row.name)
        if before is None:
            rows[row.name] = row
            continue
        rows[row.name] = dataclasses.replace(
            row,
            sha256_before=before.sha256_before or row.sha256_before,
            guest=_worse(before.guest, row.guest),
        )
    return list(rows.values())


def _worse(
    first: GuestView | None, second: GuestView | None
) -> GuestView | None:
    return first if first is not None and not first.sound else second


def _disk(row: DiskRow) -> dict[str, Any]:
    return {**dataclasses.asdict(row), 'identical': row.identical}


def _move(move: Move) -> dict[str, Any]:
    return {
        **dataclasses.asdict(move),
        'identical': move.sound,
        'disks': [_disk(row) for row in move.disks],
    }


def guest_views(
    summary: Summary, devices: Iterable[Device]
) -> dict[str, GuestView]:
    """Nova's name of a disk -> what the guest says of it.

    :param devices: the instance's disks. The guest numbers virtio disks
        in the same order as libvirt; its writer uses the second partition
        of the first one, and the only CD drive with a medium is sr0.
    """
    views = {}
    for device in devices:
        name = 'sr0' if device.is_cdrom else device.target
        name = 'vda2' if name == 'vda' else name
        looks = [tick for tick in summary.last.values() if tick.disk == name]
        wrong = [found.file for found in summary.found if found.disk == name]
        # The console of a host begins with the guest's arrival; the
        # counter remembers what was said before.
        counted = max((tick.mismatches for tick in looks), default=0)
        wrong += ['found earlier'] * (counted - len(wrong))
        if looks:
            views[device.name] = GuestView(
                sum(tick.files for tick in looks),
                sum(tick.verified for tick in looks),
                tuple(wrong),
            )
    return views


def rows(
    before: Mapping[str, DiskState],
    after: Mapping[str, DiskState],
    sizes: Mapping[str, DiskSize],
    views: Mapping[str, GuestView],
) -> tuple[DiskRow, ...]:
    """The rows of a move, one for each disk in `sizes`."""
    return tuple(
        DiskRow(
            name,
            size.virtual_bytes,
            size.allocated_bytes,
            size.backing,
            before[name].sha256 if name in before else None,
            after[name].sha256 if name in after else None,
            views.get(name),
        )
        for name, size in sizes.items()
    )


def human(count: int | None) -> str:
    """Bytes for people: 20.0 GiB."""
    if count is None:
        return '-'
    if count < 1024:
        return f'{count} B'
    value = float(count)
    for unit in _UNITS[:-1]:
        value /= 1024
        if value < 1024:
            return f'{value:.1f} {unit}'
    return f'{value / 1024:.1f} {_UNITS[-1]}'


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table in the manner of OpenStack's clients."""
    lines = [list(head), *(list(line) for line in body)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = '+' + '+'.join('-' * (width + 2) for width in widths) + '+'
    drawn = [
        '| '
        + ' | '.join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        )
        + ' |'
        for line in lines
    ]
    return '\n'.join([rule, drawn[0], rule, *drawn[1:], rule])


def disk_table(disks: Iterable[DiskRow]) -> str:
    """The table of a move: one line a disk."""
    return table(
        ('Disk', 'Size', 'Allocated', 'Backing', 'SHA-256 before',
         'SHA-256 after', 'Guest reads', 'Identical'),
        (
            (
                row.name,
                human(row.virtual_bytes),
                human(row.allocated_bytes),
                (row.backing or '-')[:20],
                (row.sha256_before or '(running)')[:16],
                (row.sha256_after or '(running)')[:16],
                says(row.guest),
                'yes' if row.identical else 'NO',
            )
            for row in disks
        ),
    )  # fmt: skip


def says(view: GuestView | None) -> str:
    """What the guest says of a disk, for people."""
    if view is None:
        return '-'
    said = f'{view.right} of {view.checked} right'
    return said + ''.join(f', {wrong} WRONG' for wrong in view.wrong)
