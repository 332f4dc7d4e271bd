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

"""What is known of guests while the hosts under them are upgraded.

Values in, values out; `blocklab.migration.upgrade` collects them.
"""

from collections.abc import Iterable
import dataclasses
from dataclasses import dataclass
from typing import Any

from blocklab.migration import report
from blocklab.migration.report import DiskRow


@dataclass(frozen=True)
class Versions:
    """What a host runs."""

    debian: str
    libvirt: str
    qemu: str

    def __str__(self) -> str:
        return (
            f'Debian {self.debian}, libvirt {self.libvirt}, QEMU {self.qemu}'
        )


@dataclass(frozen=True)
class Arrival:
    """One guest in one step: it was somewhere, and is elsewhere now.

    :ivar machine: machine types before and after.
    :ivar uptime: seconds since the guest's boot, before and after, as the
        guest says; None of a guest that is paused, which says nothing.
    :ivar boots: the random ids of the guest's boot, before and after; None
        as above.
    """

    guest: str
    source: str
    destination: str
    status: str
    machine: tuple[str, str]
    uptime: tuple[float, float] | None
    boots: tuple[str, str] | None
    disks: tuple[DiskRow, ...]

    @property
    def runs_on(self) -> bool:
        """Whether it is the guest that was booted in the beginning."""
        same = self.machine[0] == self.machine[1]
        if self.boots is not None:
            same = same and self.boots[0] == self.boots[1]
        if self.uptime is not None:
            same = same and self.uptime[0] < self.uptime[1]
        return same

    def sound(self, expected: str) -> bool:
        """Whether it is on that host, with everything it had."""
        return (
            self.destination == expected
            and self.runs_on
            and bool(self.disks)
            and all(disk.identical for disk in self.disks)
        )


@dataclass(frozen=True)
class Step:
    """One command that moves guests.

    :ivar destination: where each of its guests has to be afterwards.
    :ivar versions: of the source and of the destination.
    """

    title: str
    command: str
    source: str
    destination: str
    versions: tuple[Versions, Versions]
    arrivals: tuple[Arrival, ...]

    @property
    def sound(self) -> bool:
        return bool(self.arrivals) and all(
            each.sound(self.destination) for each in self.arrivals
        )

    def wrong(self) -> Iterable[str]:
        """What is not as it should be, a clause each."""
        for each in self.arrivals:
            if each.destination != self.destination:
                yield f'{each.guest} is on {each.destination}'
            elif not each.runs_on:
                yield f'{each.guest} was started anew'
            for disk in each.disks:
                if not disk.identical:
                    yield f'{disk.name} of {each.guest} is not the same'


@dataclass(frozen=True)
class Story:
    """All steps, and what the guests said in the end."""

    steps: tuple[Step, ...]
    guests: tuple[str, ...]
    at_the_end: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was lost at any step."""
        return (
            bool(self.steps)
            and all(step.sound for step in self.steps)
            and not self.at_the_end
        )

    def wrong(self) -> list[str]:
        """What is not as it should be."""
        steps = (
            f'step {number}: {clause}'
            for number, step in enumerate(self.steps, 1)
            for clause in step.wrong()
        )
        return [*steps, *self.at_the_end]

    def as_json(self) -> dict[str, Any]:
        """The story as JSON knows it; sizes in bytes."""
        return {
            **dataclasses.asdict(self),
            'identical': self.sound,
            'wrong': self.wrong(),
        }


def table(step: Step) -> str:
    """One line a disk of each guest of a step."""
    return report.table(
        ('Guest', 'Machine', 'Disk', 'Size', 'Backing', 'SHA-256 before',
         'SHA-256 after', 'Guest reads', 'Identical'),
        (
            (
                each.guest if first else '',
                each.machine[1] if first else '',
                disk.name,
                report.human(disk.virtual_bytes),
                (disk.backing or '-')[:12],
                (disk.sha256_before or '(running)')[:12],
                (disk.sha256_after or '(running)')[:12],
                report.says(disk.guest),
                'yes' if disk.identical else 'NO',
            )
            for each in step.arrivals
            for first, disk in _first(each.disks)
        ),
    )  # fmt: skip


def _first(disks: Iterable[DiskRow]) -> Iterable[tuple[bool, DiskRow]]:
    return ((number == 0, disk) for number, disk in enumerate(disks))


def uptimes(step: Step) -> Iterable[str]:
    """A line for each guest that can say how long it has run."""
    for each in step.arrivals:
        if each.uptime is None or each.boots is None:
            yield f'{each.guest} is {each.status}: no word from it'
        else:
            boot = 'the same' if each.boots[0] == each.boots[1] else 'ANOTHER'
            yield (
                f'{each.guest} is {each.status}, up {each.uptime[1]:.0f} s '
                f'({each.uptime[0]:.0f} s before), {boot} boot'
            )
