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

"""Costs of one call, and of several that take turns.

Machines are noisy: what is compared takes turns within one run, medians and
the ratios within a turn are what is kept, and what does not depend on the load
(bytes, queries, processes) is counted beside the time.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import pathlib
import resource
import statistics
import time
from typing import Any


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a call took.

    :ivar seconds: by the clock.
    :ivar cpu_seconds: of any processor, of this process and of the children
        that it has waited for.
    :ivar read_bytes: that this process has read, from wherever.
    :ivar result: what the call returned.
    """

    seconds: float
    cpu_seconds: float
    read_bytes: int
    result: Any = None


def cost(call: Callable[[], Any]) -> Cost:
    """Call it, and say what that took."""
    read, cpu, began = _read_bytes(), _cpu(), time.perf_counter()
    result = call()
    return Cost(
        time.perf_counter() - began,
        _cpu() - cpu,
        _read_bytes() - read,
        result,
    )


def turns(
    sides: Mapping[str, Callable[[], Any]], count: int
) -> dict[str, list[Cost]]:
    """Call each so often, in turns; every other turn in reverse order."""
    found: dict[str, list[Cost]] = {name: [] for name in sides}
    for number in range(count):
        names = list(sides)
        for name in reversed(names) if number % 2 else names:
            found[name].append(cost(sides[name]))
    return found


def median(costs: Iterable[Cost], field: str = 'seconds') -> float:
    """The median of one of the numbers of costs."""
    return float(statistics.median(getattr(one, field) for one in costs))


def ratio(
    ours: Iterable[Cost], theirs: Iterable[Cost], field: str = 'seconds'
) -> float | None:
    """The median of the ratios within the turns; None if one took nothing."""
    pairs = [
        (getattr(one, field), getattr(other, field))
        for one, other in zip(ours, theirs, strict=True)
    ]
    if not all(other for _, other in pairs):
        return None
    return float(statistics.median(one / other for one, other in pairs))


def _cpu() -> float:
    usages = map(
        resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _read_bytes() -> int:
    for line in pathlib.Path('/proc/self/io').read_text().splitlines():
        name, _, value = line.partition(': ')
        if name == 'rchar':
            return int(value)
    raise OSError('/proc/self/io does not say what was read')
