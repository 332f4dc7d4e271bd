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

The work is in `blocklab.migration.demo_steps` and, with --upgrade, in
`blocklab.migration.upgrade`; this is the command line.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from blocklab.machine.errors import BadInput


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
        'disk is the same, bit for bit. With --upgrade: empty server2, make '
        'it Debian 13, fill it again, then server-01 likewise.',
    )
    options.add(demo)
    demo.add_argument(
        '--report',
        type=Path,
        metavar='FILE',
        help='write what was measured to FILE, as JSON',
    )
    demo.add_argument(
        '--upgrade',
        action='store_true',
        help='the story of an upgrade instead: both hosts begin with Debian '
        '12 and end with Debian 13, and their guests move out of the way; '
        'the root of the release that this machine is not is made once',
    )
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The sub-command; its exit code.

    :raises BadInput: options that do not go together.
    """
    from blocklab.commands import lock
    from blocklab.commands import options
    from blocklab.commands import up
    from blocklab.migration import demo_steps

    if arguments.upgrade and arguments.os:
        raise BadInput(
            '--upgrade begins with Debian 12 on both hosts: --os does not '
            'go with it.',
            'Leave --os out.',
        )
    wanted = options.choices(arguments)
    with lock.exclusive(arguments.name) as layout:
        if arguments.upgrade:
            report: Any = _upgrade(layout, wanted)
        else:
            report = demo_steps.demonstrate(up.bring_up(layout, wanted))
    if arguments.report is not None:
        text = json.dumps(report.as_json(), indent=2)
        arguments.report.write_text(text + '\n')
    return 0 if report.sound else 1


def _upgrade(layout: Any, wanted: Any) -> Any:
    """Tell the story of an upgrade; what became of each guest.

    :param layout: of the lab that it is told on.
    :param wanted: what was chosen, but for the hosts' Debian.
    """
    from blocklab.commands import options
    from blocklab.commands import up
    from blocklab.lab import Lab
    from blocklab.migration import upgrade

    systems = dict.fromkeys(upgrade.CAST, upgrade.OLD)

    def bring_up() -> Lab:
        roots = options.with_roots(systems)
        return up.bring_up(layout, dataclasses.replace(wanted, systems=roots))

    def renew(host: str, system: str) -> None:
        systems[host] = system
        bring_up()

    if layout.settings.exists() and (before := Lab(layout.name)).is_up:
        upgrade.remove(before)
    return upgrade.tell(bring_up(), renew)
