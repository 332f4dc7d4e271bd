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

"""What a guest's disks hold, told by its console."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Report:
    """The guest's latest look at one disk.

    :ivar tick: number of the round, since the boot.
    :ivar files: how many things were read again.
    :ivar verified: how many of them were right.
    :ivar mismatches: how many were wrong since the boot.
    """

    tick: int
    files: int
    verified: int
    mismatches: int

    @property
    def right(self) -> bool:
        return self.files > 0 and (
            self.verified == self.files and self.mismatches == 0
        )


# (disk, kind of look) -> the latest report
Reports = dict[tuple[str, str], Report]


def read(console: str, pattern: str) -> Reports:
    """The latest report of each disk; the last line may be incomplete."""
    complete, _, _ = console.rpartition('\n')
    return {
        (found['disk'], found['check']): Report(
            **{
                field.name: int(found[field.name])
                for field in dataclasses.fields(Report)
            }
        )
        for found in re.finditer(pattern, complete)
    }


def complete(reports: Reports, count: int) -> bool:
    """Whether so many disks were looked at, and in every way.

    Some kinds of look are taken in every round; others after those, and not
    in every round. Once there is a later round than the latest of such a
    kind, it is known for all disks.
    """
    rounds: dict[str, int] = {}
    for (_disk, check), report in reports.items():
        rounds[check] = max(report.tick, rounds.get(check, 0))
    disks = {disk for disk, _check in reports}
    return len(disks) == count and len(set(rounds.values())) > 1


def silent(before: Reports, now: Reports) -> list[str]:
    """The disks without a report of a later round than before."""
    rounds = max((report.tick for report in before.values()), default=0)
    return [
        f'{disk} ({check}): no report'
        for disk, check in sorted(before.keys() | now.keys())
        if (disk, check) not in now or now[disk, check].tick <= rounds
    ]


def wrong(before: Reports, now: Reports) -> list[str]:
    """What is not known to be right: what is silent, and what is wrong."""
    return silent(before, now) + [
        f'{disk} ({check}): {report}'
        for (disk, check), report in sorted(now.items())
        if not report.right
    ]
