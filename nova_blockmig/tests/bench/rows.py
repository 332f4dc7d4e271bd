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

"""What a row of the measurement is, and which there are."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import importlib
import os
import time
from typing import Any

Case = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a row's table.

    :ivar key: of the number in a case; where a case has none, nothing is
        shown.
    :ivar form: how it is written, for ``format()``; text if empty.
    :ivar divide: by this before; bytes become MiB.
    """

    heading: str
    key: str
    form: str = ''
    divide: float = 1

    def show(self, case: Case) -> str:
        value = case.get(self.key)
        if value is None:
            return ''
        if not self.form:
            return str(value)
        return format(value / self.divide, self.form)


@dataclasses.dataclass(frozen=True)
class Plot:
    """A plot of a row: a line for each of some numbers.

    :ivar across: key of the number along the axis.
    :ivar lines: legend and key of each line.
    """

    title: str
    across: str
    across_title: str
    up_title: str
    lines: tuple[tuple[str, str], ...]
    only: str = ''
    """Cases whose 'kind' is this one, if they have any."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How a row is to be measured.

    :ivar size: 'tiny' (seconds, for the tests of this program), 'normal', or
        'large'.
    :ivar turns: of each comparison.
    :ivar lab: the name of a lab that is up; None if there is none.
    :ivar cases: only these; all if empty.
    """

    size: str = 'normal'
    turns: int = 3
    lab: str | None = None
    cases: tuple[str, ...] = ()
    minutes: float = float('inf')
    """No further turn is begun after so long."""

    def choose(self, **sizes: Any) -> Any:
        """What belongs to the size that is wanted."""
        return sizes.get(self.size, sizes.get('normal'))


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: a subject, its cases and how they are shown."""

    name: str
    title: str
    run: Callable[[Options], Sequence[Case]]
    columns: tuple[Column, ...]
    plots: tuple[Plot, ...] = ()
    needs_lab: bool = False
    more: Mapping[str, tuple[Column, ...]] = dataclasses.field(
        default_factory=dict
    )
    """More tables of the same cases, by name."""


NAMES = (
    'disk-info',
    'check',
    'preparation',
    'dense-base',
    'migration',
    'convergence',
    'many',
)


def find(name: str) -> Row:
    """The row of that name; its module is imported now."""
    module = importlib.import_module(
        f'nova_blockmig.tests.bench.{name.replace("-", "_")}'
    )
    row: Row = module.ROW
    return row


def measured(row: Row, options: Options) -> dict[str, Any]:
    """Measure a row; what is kept of it."""
    began = time.time()
    load = os.getloadavg()[0]
    cases = list(row.run(options))
    return {
        'title': row.title,
        'size': options.size,
        'turns': max(case.get('turns', options.turns) for case in cases),
        'date': time.strftime('%Y-%m-%d %H:%M', time.gmtime(began)),
        'seconds': round(time.time() - began),
        'load': [round(load, 1), round(os.getloadavg()[0], 1)],
        'cases': cases,
    }
