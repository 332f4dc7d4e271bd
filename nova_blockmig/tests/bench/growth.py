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

"""How the costs grow: straight lines through what was measured.

And what they say of a host with 200 instances that is emptied, and of a cloud
of 10,000 such hosts.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

from nova_blockmig.tests.bench import rows

INSTANCES = 200
HOSTS = 10_000
KIB, MIB = 2**10, 2**20


@dataclasses.dataclass(frozen=True)
class Model:
    """A cost that grows with one number.

    :ivar row: where it was measured, and which keys it is about.
    :ivar kind: cases whose 'kind' is this one; all if empty.
    """

    what: str
    row: str
    across: str
    up: str
    one: str
    show: Callable[[float], str]
    kind: str = ''


def _time(seconds: float) -> str:
    if abs(seconds) < 1:
        return f'{seconds * 1000:.3g} ms'
    return f'{seconds:.3g} s'


def _kib(count: float) -> str:
    return f'{count / KIB:.3g} KiB'


def _count(count: float) -> str:
    return f'{round(count, 3):g}'


MODELS = (
    Model(
        "Nova's disk info in the periodic task", 'disk-info', 'disks',
        'nova_seconds', 'disk', _time, 'periodic task',
    ),
    Model(
        "nova-blockmig's disk info in the periodic task", 'disk-info',
        'disks', 'ours_seconds', 'disk', _time, 'periodic task',
    ),
    Model(
        "queries of Nova's check", 'check', 'nodes', 'nova_queries',
        'compute node', _count,
    ),
    Model(
        "queries of nova-blockmig's check", 'check', 'nodes', 'ours_queries',
        'compute node', _count,
    ),
    Model(
        "processor time of nova-blockmig's check", 'check', 'in_flight',
        'ours_cpu_seconds', 'migration to the host', _time,
    ),
    Model(
        'inline content in a message', 'preparation', 'gib', 'inline_bytes',
        'GiB of ephemeral disk', _kib,
    ),
    Model(
        'making inline content', 'preparation', 'gib', 'inline_seconds',
        'GiB of ephemeral disk', _time,
    ),
)  # fmt: skip


def line(
    cases: Sequence[rows.Case], across: str, up: str
) -> tuple[float, float] | None:
    """Constant and slope of the line that fits best; None without one.

    Least squares of the relative errors: a cost of a minute may be off by
    seconds, one of a millisecond may not.
    """
    points = [
        (float(case[across]), float(case[up]))
        for case in cases
        if case.get(across) is not None and case.get(up)
    ]
    if len({x for x, _ in points}) < 2:
        return None
    weights = [1 / y**2 for _, y in points]
    total = sum(weights)
    x_mean, y_mean = (
        sum(w * point[axis] for w, point in zip(weights, points, strict=True))
        / total
        for axis in (0, 1)
    )
    pairs = list(zip(weights, points, strict=True))
    slope = sum(w * (x - x_mean) * (y - y_mean) for w, (x, y) in pairs) / sum(
        w * (x - x_mean) ** 2 for w, (x, _) in pairs
    )
    return y_mean - slope * x_mean, slope


def _fit(model: Model, measured: Mapping[str, Any]) -> Any:
    cases = measured.get(model.row, {}).get('cases', ())
    if model.kind:
        cases = [case for case in cases if case['kind'] == model.kind]
    return line(cases, model.across, model.up)


def models(measured: Mapping[str, Any]) -> list[Sequence[str]]:
    """Each fitted model: what there is once, and what each unit adds."""
    table: list[Sequence[str]] = [('Cost', 'Once', 'And for each')]
    for model in MODELS:
        if fitted := _fit(model, measured):
            constant, slope = fitted
            table.append(
                (
                    model.what,
                    model.show(constant),
                    f'{model.one}: {model.show(slope)}',
                )
            )
    return table


def predictions(measured: Mapping[str, Any]) -> list[Sequence[str]]:
    """What that says of one host, and of many."""
    table: list[Sequence[str]] = [
        (
            'Cost',
            f'A host with {INSTANCES} instances',
            f'{HOSTS:,} such hosts',
        )
    ]
    fitted = {model.what: _fit(model, measured) for model in MODELS}
    for what in (MODELS[0].what, MODELS[1].what):
        if found := fitted[what]:
            each = found[0] + found[1] * INSTANCES
            # Every host has its own periodic task.
            table.append((what, _time(each), f'{_time(each)} on each'))
    if found := fitted[MODELS[3].what]:
        each = (found[0] + found[1] * HOSTS) * INSTANCES
        table.append(
            ('queries of the checks, to empty it', f'{each:,.0f}',
             f'{each * HOSTS:,.0f}')
        )  # fmt: skip
    if found := fitted[MODELS[5].what]:
        each = (found[0] + found[1] * 20) * INSTANCES
        table.append(
            (
                'message bus, to empty it, 20 GiB of ephemeral disk each',
                f'{each / MIB:,.0f} MiB',
                f'{each * HOSTS / MIB / KIB:,.0f} GiB',
            )
        )
    if 'dense-base' in measured:
        table.append(
            (
                'readings of an image for its digest',
                '1, however many instances',
                f'{HOSTS:,}: one on each host',
            )
        )
    return table
