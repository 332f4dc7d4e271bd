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

"""labctl soak: many unlike instances, moved again and again.

The work is in `blocklab.soak`; this is the command line.
"""

import argparse
import json
from pathlib import Path
import secrets
import threading
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the sub-command."""
    soak = subparsers.add_parser(
        'soak',
        help='move random instances for a while, and compare every byte',
        description='Boot instances that a seed decides (images, buses, '
        'flavors, file systems, paused or writing), move each there and '
        'back, and compare. Exit code 0 only if every migration completed '
        'and no byte differs.',
    )
    soak.add_argument(
        '--driver',
        choices=('blockmig', 'in-tree'),
        default='blockmig',
        help="in-tree is Nova's own (default: %(default)s)",
    )
    soak.add_argument(
        '--images-type', choices=('qcow2', 'raw'), default='qcow2',
        help='of both hosts (default: %(default)s)',
    )  # fmt: skip
    soak.add_argument('--seed', type=int, help='default: one that is printed')
    soak.add_argument(
        '--minutes', type=float, default=30,
        help='no instance is begun after that (default: %(default)s)',
    )  # fmt: skip
    soak.add_argument(
        '--width', type=int, default=1,
        help='instances at a time (default: %(default)s)',
    )  # fmt: skip
    soak.add_argument(
        '--moves', type=int, default=4,
        help='of each instance (default: %(default)s)',
    )  # fmt: skip
    soak.add_argument(
        '--report',
        type=Path,
        metavar='FILE',
        help='add each migration to FILE, one JSON object a line',
    )
    soak.add_argument(
        '--summary',
        action='store_true',
        help='move nothing: say what is in the report',
    )
    soak.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The sub-command; its exit code."""
    import dataclasses

    from blocklab.commands import lock
    from blocklab.soak import run as soak_run
    from blocklab.soak import seen

    if arguments.summary:
        return _summary(arguments.report)
    seed = arguments.seed
    if seed is None:
        seed = secrets.randbelow(1 << 31)
    print(f'seed {seed}', flush=True)
    writing = threading.Lock()
    sound = []

    def done(planned: Any, moved: seen.Moved) -> None:
        record = {
            'seed': seed,
            'driver': arguments.driver,
            'images_type': arguments.images_type,
            **dataclasses.asdict(moved),
            'instance': dataclasses.asdict(planned),
        }
        with writing:
            sound.append(moved.sound)
            what = 'the same' if moved.sound else f'WRONG: {moved}'
            print(f'{len(sound)}: {planned.name} {what}', flush=True)
            if arguments.report is not None:
                with arguments.report.open('a') as report:
                    report.write(json.dumps(record) + '\n')

    with lock.exclusive(arguments.name) as layout:
        lab = _lab(arguments, layout)
        soak_run.soak(
            lab,
            seed,
            seconds=60 * arguments.minutes,
            width=arguments.width,
            moves=arguments.moves,
            done=done,
        )
    good = sum(sound)
    print(f'seed {seed}: {good} of {len(sound)} migrations left every byte')
    return 0 if sound and good == len(sound) else 1


def _summary(report: Path | None) -> int:
    """Say what all runs of a report have shown."""
    from blocklab.machine.errors import BadInput
    from blocklab.soak import seen

    try:
        if report is None:
            raise BadInput(
                '--summary needs a report.', 'Name it with --report.'
            )
        lines = report.read_text().splitlines()
        print('\n'.join(seen.summary(map(json.loads, lines))))
    except (OSError, ValueError) as error:
        raise BadInput(
            f'The report {report} cannot be read: {error}',
            'Name a file that --report of an earlier run has written.',
        ) from None
    return 0


def _lab(arguments: argparse.Namespace, layout: Any) -> Any:
    """The lab with that driver and that type of images."""
    from blocklab.commands import up
    from blocklab.machine import layout as layouts

    images_type = {'libvirt': {'images_type': arguments.images_type}}
    return up.change(
        layout,
        drivers=dict.fromkeys(layouts.COMPUTES, arguments.driver),
        extra=dict.fromkeys(layouts.COMPUTES, images_type),
    )
