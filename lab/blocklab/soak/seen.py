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

"""What was seen of a move, and whether it is sound. No lab is touched."""

from collections.abc import Iterable
from dataclasses import dataclass

from blocklab.guest import console
from blocklab.guest.console import Summary
from blocklab.guest.records import Boot
from blocklab.guest.records import KernelError


@dataclass(frozen=True)
class Moved:
    """One migration of a soak.

    :ivar seconds: from the request until Nova had recorded the end.
    :ivar compared: how many disks were compared by their digests.
    :ivar different: the disks whose digest changed, and what the guest
        found to be wrong.
    :ivar crashed: what the guest's kernel said of an error, or that the
        guest started anew or fell silent.
    :ivar error: why it could not be judged; '' if it could.
    :ivar took: seconds with pausing, digests and the guest's look.
    :ivar console: the end of the guest's console, if something is wrong.
    """

    number: int
    move: int
    paused: bool
    status: str
    seconds: float
    compared: int = 0
    different: tuple[str, ...] = ()
    crashed: tuple[str, ...] = ()
    error: str = ''
    took: float = 0
    console: str = ''

    @property
    def sound(self) -> bool:
        """Whether it completed and nothing at all is wrong."""
        wrong = self.different or self.crashed or self.error
        return self.status == 'completed' and not wrong


def crashes(text: str, *, booted_here: bool) -> tuple[str, ...]:
    """What a console tells of a kernel that crashed.

    :param booted_here: whether the guest was started on this host, so that
        its console begins with a boot.
    """
    records = console.parse(text)
    lines = [each.line for each in records if isinstance(each, KernelError)]
    boots = sum(isinstance(each, Boot) for each in records)
    if boots > booted_here:
        lines.append('started anew')
    return tuple(lines)


def wrong(found: Summary) -> list[str]:
    """What the guest found to be wrong, ever since its boot."""
    said = [f'{each.disk} {each.file}' for each in found.found]
    said += [f'{each.disk} {each.what}' for each in found.errors]
    if found.mismatches and not said:
        said.append(f'{found.mismatches} mismatches')
    return said


def summary(records: Iterable[dict[str, object]]) -> list[str]:
    """Lines about all migrations of a report, by driver."""
    by_driver: dict[str, list[dict[str, object]]] = {}
    for record in records:
        by_driver.setdefault(str(record['driver']), []).append(record)
    return [
        line for driver, found in by_driver.items()
        for line in _driver(driver, found)
    ]  # fmt: skip


def _driver(driver: str, found: list[dict[str, object]]) -> list[str]:
    def count(key: str) -> int:
        return sum(bool(each.get(key)) for each in found)

    completed = sum(each['status'] == 'completed' for each in found)
    instances = {(each['seed'], each['number']) for each in found}
    paused = sum(each['paused'] is True for each in found)
    digests = sum(int(str(each['compared'])) for each in found)
    seeds = sorted({int(str(each['seed'])) for each in found})
    return [
        f'{driver}: {len(found)} migrations of {len(instances)} instances, '
        f'{completed} completed, {paused} of them of paused guests',
        f'  {digests} disks compared by digest, {count("different")} '
        f'migrations with a difference, {count("crashed")} with a crash of '
        f'the guest, {count("error")} not judged',
        f'  seeds {", ".join(map(str, seeds))}',
    ]
