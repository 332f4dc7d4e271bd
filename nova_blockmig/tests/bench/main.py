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

"""The command line of ``tools/bench``."""

import argparse
from collections.abc import Sequence
import json
import pathlib
import sys
from typing import Any

from nova_blockmig.tests.bench import machine
from nova_blockmig.tests.bench import render
from nova_blockmig.tests.bench import rows

REFERENCE = machine.CHECKOUT / 'doc' / 'source' / 'reference'
MEASURED = REFERENCE / 'performance.json'
TABLES = REFERENCE / 'performance'


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or write the documentation's tables; the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    for name in arguments.row:
        if name not in rows.NAMES:
            parser.error(
                f'there is no row {name}; there are {", ".join(rows.NAMES)}'
            )
    if arguments.render:
        write_tables(arguments.output, arguments.render)
        return 0
    options = rows.Options(
        size=arguments.size,
        turns=arguments.turns,
        lab=arguments.lab,
        cases=tuple(arguments.case),
        minutes=arguments.minutes,
    )
    for name in arguments.row or rows.NAMES:
        row = rows.find(name)
        if row.needs_lab and options.lab is None:
            if arguments.row:
                print(
                    f'bench: the row {name} needs a lab: bring one up with '
                    '"lab/labctl up" and name it with --lab',
                    file=sys.stderr,
                )
                return 2
            print(f'{name} is left out: it needs --lab')
            continue
        print(f'{row.title} ...', flush=True)
        revision = machine.revision()
        result = {**rows.measured(row, options), 'revision': revision}
        keep(arguments.output, name, result, options.cases)
        show(row, result)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='bench',
        description='Measure what the driver costs and gains beside '
        "Nova's own, side by side and in turns.",
    )
    parser.add_argument(
        'row',
        nargs='*',
        metavar='ROW',
        help='one of ' + ', '.join(rows.NAMES) + '; all by default',
    )
    parser.add_argument(
        '--size',
        choices=('tiny', 'normal', 'large'),
        default='normal',
        help='tiny takes seconds, and its numbers say nothing (normal)',
    )
    parser.add_argument(
        '--turns',
        type=int,
        default=3,
        metavar='N',
        help='so often each side of a comparison (3)',
    )
    parser.add_argument(
        '--minutes',
        type=float,
        default=float('inf'),
        metavar='N',
        help='of whole migrations, begin no further turn after so long',
    )
    parser.add_argument(
        '--case',
        action='append',
        default=[],
        help='of the row, only this one; may be given more than once',
    )
    parser.add_argument(
        '--lab',
        metavar='NAME',
        help='the lab to measure on, which is up and has no instances of '
        'yours; its driver and settings are changed',
    )
    parser.add_argument(
        '--output',
        type=pathlib.Path,
        default=MEASURED,
        metavar='FILE',
        help='where the numbers are kept; those of other rows stay '
        "(the documentation's)",
    )
    parser.add_argument(
        '--render',
        type=pathlib.Path,
        nargs='?',
        const=TABLES,
        metavar='DIRECTORY',
        help='measure nothing; write tables and plots of what FILE has (for '
        'the documentation)',
    )
    return parser


def load(path: pathlib.Path) -> dict[str, Any]:
    """What was measured before, or nothing."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {'rows': {}}
    return found


def keep(
    path: pathlib.Path, name: str, result: dict[str, Any], cases: Sequence[str]
) -> None:
    """Write a row's result; of single cases, beside its other cases."""
    measured = load(path)
    known = measured['rows'].get(name)
    if cases and known:
        new = {case['name'] for case in result['cases']}
        result['cases'] = [
            *(case for case in known['cases'] if case['name'] not in new),
            *result['cases'],
        ]
        loads = known['load'] + result['load']
        result['load'] = [min(loads), max(loads)]
        result['seconds'] += known['seconds']
        if known['revision'] != result['revision']:
            result['revision'] = f'{known["revision"]}, {result["revision"]}'
    measured['machine'] = machine.described()
    found = {**measured['rows'], name: result}
    measured['rows'] = {each: found[each] for each in rows.NAMES
                        if each in found}  # fmt: skip
    path.write_text(json.dumps(measured, indent=1) + '\n')


def show(row: rows.Row, result: dict[str, Any]) -> None:
    """Print the tables of a row as the documentation has them."""
    for columns in (row.columns, *row.more.values()):
        lines = render.table(columns, result['cases'])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = zip(line, widths, strict=True)
            print('  '.join(f'{c:{width}}' for c, width in cells).rstrip())
        print()


def write_tables(measured: pathlib.Path, directory: pathlib.Path) -> None:
    """The documentation's files, from what was measured."""
    found = load(measured)
    directory.mkdir(exist_ok=True)
    for name, content in render.files(
        found, {name: rows.find(name) for name in found['rows']}
    ).items():
        (directory / name).write_text(content)
