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

"""labctl chaos: what becomes of a migration when something breaks.

The work is in `blocklab.chaos`; this is the command line.
"""

import argparse
import csv
import json
from pathlib import Path
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the sub-command."""
    chaos = subparsers.add_parser(
        'chaos',
        help='break something in each step of a migration, and see what is '
        'left',
        description='For each cell of the fault matrix: boot an instance, '
        'migrate it, break something in the step, and judge the guest, its '
        "disks, Nova's books and what is left. Exit code 0 only if every "
        'cell is good.',
    )
    chaos.add_argument(
        '--list', action='store_true', help='show the names of the cells'
    )
    chaos.add_argument(
        '--only',
        action='append',
        default=[],
        metavar='STEP:FAULT',
        help='a cell, or a pattern such as "copy:link-*"; more than one may '
        'be given',
    )
    chaos.add_argument(
        '--driver',
        choices=('blockmig', 'in-tree'),
        default='blockmig',
        help="in-tree is Nova's own (default: %(default)s)",
    )
    chaos.add_argument(
        '--seed',
        type=int,
        default=1,
        help='decides where in a copy the fault comes (default: %(default)s)',
    )
    chaos.add_argument(
        '--report',
        type=Path,
        metavar='FILE',
        help='add what was found to FILE, one JSON object a line',
    )
    chaos.add_argument(
        '--resume',
        action='store_true',
        help='leave out the cells that the report has for this driver, '
        'unless their step was missed',
    )
    chaos.add_argument(
        '--table',
        nargs='+',
        type=Path,
        metavar='FILE',
        help='run nothing; print the table of such files, as CSV, with the '
        'cells that were not run',
    )
    chaos.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The sub-command; its exit code."""
    from blocklab.chaos import matrix
    from blocklab.chaos import outcome

    if arguments.table:
        return _table(arguments.table)
    cells = matrix.chosen(arguments.only, arguments.driver)
    if arguments.resume and arguments.report and arguments.report.exists():
        known = outcome.known(_read(arguments.report), arguments.driver)
        cells = tuple(cell for cell in cells if cell.name not in known)
    if arguments.list:
        for cell in cells:
            print(f'{cell.name:36} {cell.fault.text}')
        return 0
    return _run(arguments, cells)


def _run(arguments: argparse.Namespace, cells: Any) -> int:
    import dataclasses

    from blocklab.chaos import outcome
    from blocklab.chaos import run as chaos_run
    from blocklab.commands import lock

    verdicts = []

    def done(result: outcome.Result) -> None:
        record = dataclasses.asdict(result)
        verdicts.append(outcome.verdict(record))
        print(f'{result.cell}: {verdicts[-1]}', flush=True)
        if arguments.report is not None:
            with arguments.report.open('a') as report:
                report.write(json.dumps(record) + '\n')

    print(f'seed {arguments.seed}', flush=True)
    with lock.exclusive(arguments.name) as layout:
        chaos_run.run_cells(
            cells, arguments.driver, arguments.seed,
            ready=lambda extra: _lab(arguments, layout, extra), done=done,
        )  # fmt: skip
    return 0 if set(verdicts) == {outcome.GOOD} else 1


def _lab(arguments: argparse.Namespace, layout: Any, extra: Any) -> Any:
    """The lab with that driver and those settings, and no instances."""
    from blocklab.chaos import observe
    from blocklab.commands import reset
    from blocklab.commands import up
    from blocklab.machine import layout as layouts

    lab = up.change(
        layout,
        drivers=dict.fromkeys(layouts.COMPUTES, arguments.driver),
        extra=extra,
    )
    reset.reset(lab)
    observe.remove_checks(lab)
    observe.remove_allocations(lab)
    return lab


def _table(files: list[Path]) -> int:
    from blocklab.chaos import matrix
    from blocklab.chaos import outcome

    results = [result for file in files for result in _read(file)]
    out = csv.writer(sys.stdout, lineterminator='\n')
    out.writerow(outcome.COLUMNS)
    out.writerows(outcome.rows(results))
    names = [cell.name for cell in matrix.cells()]
    out.writerows(outcome.not_run(names, results))
    return 0


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]
