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

"""labctl demo: a real block migration there and back, and what it cost.

The work is in `blocklab.migration.demo_steps`; this is the command line.
"""

import argparse
import json
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Register the sub-command."""
    from blocklab.commands import options

    demo = subparsers.add_parser(
        'demo',
        help='block-migrate an instance there and back, and compare every '
        'byte',
        description='Bring the lab up if it is not, boot the instance "med" '
        'on server2 and move it with "nova live-migration --block-migrate": '
        'to server-01 while it runs and writes, and back while it is '
        'paused. Exit code 0 only if both migrations completed and every '
        'disk is the same, bit for bit.',
    )
    options.add(demo)
    demo.add_argument(
        '--report',
        type=Path,
        metavar='FILE',
        help='write what was measured to FILE, as JSON',
    )
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The sub-command; its exit code."""
    from blocklab.commands import lock
    from blocklab.commands import options
    from blocklab.commands import up
    from blocklab.migration import demo_steps

    with lock.exclusive(arguments.name) as layout:
        lab = up.bring_up(layout, options.choices(arguments))
        report = demo_steps.demonstrate(lab)
    if arguments.report is not None:
        text = json.dumps(report.as_json(), indent=2)
        arguments.report.write_text(text + '\n')
    return 0 if report.sound else 1
