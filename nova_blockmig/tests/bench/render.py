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

"""What was measured, as the documentation shows it."""

from collections.abc import Mapping
from collections.abc import Sequence
import csv
import io
import textwrap
from typing import Any

from nova_blockmig.tests.bench import growth
from nova_blockmig.tests.bench import plot
from nova_blockmig.tests.bench import rows


def files(
    measured: Mapping[str, Any], known: Mapping[str, rows.Row]
) -> dict[str, str]:
    """Name -> content of each file that the documentation includes.

    :param measured: what tools/bench wrote.
    :param known: the rows, by name.
    """
    results = measured['rows']
    found = {
        'machine.rst': hardware(measured['machine']),
        'machine.csv': _csv(machine(measured)),
    }
    for name, result in results.items():
        row = known[name]
        found[f'{name}.csv'] = _csv(table(row.columns, result['cases']))
        for more, columns in row.more.items():
            found[f'{name}-{more}.csv'] = _csv(table(columns, result['cases']))
        for number, each in enumerate(row.plots):
            found[f'{name}-{number}.svg'] = _plot(each, result['cases'])
    found['growth.csv'] = _csv(growth.models(results))
    found['predictions.csv'] = _csv(growth.predictions(results))
    return found


def table(
    columns: Sequence[rows.Column], cases: Sequence[rows.Case]
) -> list[Sequence[str]]:
    """Cases with a heading; columns that are empty are left out."""
    shown = [
        (column.heading, [column.show(case) for case in cases])
        for column in columns
    ]
    kept = [(heading, cells) for heading, cells in shown if any(cells)]
    return [
        [heading for heading, _ in kept],
        *([*each] for each in zip(*(cells for _, cells in kept), strict=True)),
    ]


def machine(measured: Mapping[str, Any]) -> list[Sequence[str]]:
    """When each row was measured, and how busy the machine was."""
    return [
        ('Row', 'Date (UTC)', 'Revision', 'Turns', 'Took, s', 'Load'),
        *(
            (
                result['title'],
                result['date'],
                result['revision'],
                str(result['turns']),
                str(result['seconds']),
                ' to '.join(f'{load:.1f}' for load in result['load']),
            )
            for result in measured['rows'].values()
        ),
    ]


def hardware(described: Mapping[str, str]) -> str:
    """A sentence about the machine."""
    text = (
        'Measured on {processor}, {memory} of memory, {system} with Linux '
        '{kernel}, Python {python}, QEMU {qemu}, libvirt {libvirt} and Nova '
        '{nova}.'.format(**described)
    )
    return textwrap.fill(text, 78) + '\n'


def _plot(each: rows.Plot, cases: Sequence[rows.Case]) -> str:
    chosen = [c for c in cases if not each.only or c['kind'] == each.only]
    return plot.svg(
        each.title,
        each.across_title,
        each.up_title,
        [
            (
                name,
                [
                    (case[each.across], case[key])
                    for case in chosen
                    if case.get(key) is not None
                ],
            )
            for name, key in each.lines
        ],
    )


def _csv(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(lines)
    return text.getvalue()
