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

"""How long a migration may take, before it begins.

Sizes are in bytes, times in seconds.
"""

from collections.abc import Iterable
import dataclasses

from nova_blockmig.core import terminal_text

_NEWEST = 20


@dataclasses.dataclass(frozen=True)
class Past:
    """A migration that was completed.

    :ivar amount: memory and disks together; 0 if that is not known.
    """

    source: str
    destination: str
    amount: int
    seconds: float


def amount(memory: int | None, disks: int | None) -> int:
    """What a migration of the past moved; 0 if that is not known.

    Nova saves figures every few seconds. Without those of the memory, a part
    of what took the time is missing.
    """
    return memory + (disks or 0) if memory else 0


@dataclasses.dataclass(frozen=True)
class Estimate:
    """From the shortest to the longest time that is likely."""

    shortest: float
    longest: float

    def __str__(self) -> str:
        least, most = map(
            terminal_text.duration, (self.shortest, self.longest)
        )
        return least if least == most else f'{least} to {most}'


def by_bandwidth(amount: int, rate: float) -> Estimate:
    """The time of the copy alone.

    :param rate: bytes a second.
    """
    return Estimate(amount / rate, amount / rate)


def by_past(
    amount: int, past: Iterable[Past], source: str, destination: str
) -> Estimate | None:
    """From recent migrations between these hosts; None without any.

    What each of them took for a byte is taken for every byte of this one,
    but no estimate is shorter than the fastest of them: a part of the time
    does not depend on the size. The spread is that of the middle half, so
    that one odd migration does not matter.

    :param past: the latest first.
    """
    known = [
        each
        for each in past
        if (each.source, each.destination) == (source, destination)
        and each.amount > 0
        and each.seconds > 0
    ][:_NEWEST]
    if not known:
        return None
    fastest = min(each.seconds for each in known)
    times = sorted(
        max(fastest, each.seconds * amount / each.amount) for each in known
    )
    quarter = len(times) // 4
    return Estimate(times[quarter], times[-1 - quarter])
