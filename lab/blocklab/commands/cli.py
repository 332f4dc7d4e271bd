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

"""The command line of labctl.

Nothing beyond the standard library is imported before a sub-command runs:
--help and the refusal of a wrong call work on a bare machine.

Exit codes: 0 done; 1 the lab does not work as it should, or a command that
was run inside failed; 2 the call or the machine is not fit for it.

A sub-command of another module is registered in `_MODULES`: it has
`add_parser(subparsers)`, which sets the default `run` of its parser to a
function that takes the parsed arguments and returns an exit code.
"""

import argparse
from collections.abc import Sequence
import importlib
import importlib.util
import os
from typing import Any
import warnings

from blocklab.commands import options
from blocklab.machine import failures
from blocklab.machine import layout as layouts

# Looked for beside this module; each adds one sub-command or more.
_MODULES = ('chaos', 'demo', 'soak', 'tempest')


def parser() -> argparse.ArgumentParser:
    """The parser of labctl; every sub-command sets `run`."""
    top = argparse.ArgumentParser(
        prog='labctl',
        description='Two compute hosts and an OpenStack control plane, all '
        'real, on one machine.',
        epilog='Labs, and the Python environments that they share, are kept '
        f'in $LABCTL_ROOT (now {layouts.ROOT}).',
    )
    top.add_argument(
        '--name',
        default=layouts.default_name(),
        help='name of the lab (default: $LABCTL_NAME or %(default)s)',
    )
    top.add_argument(
        '--debug',
        action='store_true',
        help='show the traceback of a failure, and the warnings of libraries',
    )
    commands = top.add_subparsers(
        dest='command', required=True, metavar='COMMAND'
    )
    _add_up(commands)
    _add_simple(commands)
    _add_inside(commands)
    for name in _MODULES:
        if importlib.util.find_spec(f'blocklab.commands.{name}') is not None:
            module = importlib.import_module(f'blocklab.commands.{name}')
            module.add_parser(commands)
    return top


def _add_up(commands: Any) -> None:
    up = commands.add_parser('up', help='bring the lab up')
    options.add(up)
    up.set_defaults(run=_up)
    install = commands.add_parser(
        'install',
        help='install what "up" with the same options needs, beside labs that '
        'are up',
    )
    options.add(install)
    install.set_defaults(run=_install)


def _add_simple(commands: Any) -> None:
    status = commands.add_parser(
        'status', help='each service: process, memory, health, log'
    )
    status.set_defaults(run=_status)
    down = commands.add_parser(
        'down', help='stop everything; leave nothing behind but the data'
    )
    down.add_argument(
        '--wipe', action='store_true', help='remove the data as well'
    )
    down.set_defaults(run=_down)
    reset = commands.add_parser(
        'reset', help='remove all instances and volumes, keep the services'
    )
    reset.set_defaults(run=_reset)
    restart = commands.add_parser('restart', help='restart services')
    restart.add_argument('service', nargs='+')
    restart.set_defaults(run=_restart)
    logs = commands.add_parser('logs', help="a service's log")
    logs.add_argument('service')
    logs.add_argument(
        '-n', '--lines', type=int, metavar='N', help='the last N lines only'
    )
    logs.set_defaults(run=_logs)


def _add_inside(commands: Any) -> None:
    inside = commands.add_parser('exec', help='run a command on a host')
    inside.add_argument('host')
    inside.add_argument('words', nargs=argparse.REMAINDER, metavar='CMD')
    inside.set_defaults(run=_exec)
    for client in ('openstack', 'nova', 'nova-blockmig'):
        each = commands.add_parser(
            client,
            help=f'the {client} client, as administrator',
            add_help=False,
            prefix_chars='\0',  # what follows is the client's
        )
        each.add_argument('words', nargs='*', metavar='ARGUMENT')
        each.set_defaults(run=_client)


def _up(arguments: argparse.Namespace) -> int:
    from blocklab.commands import lock
    from blocklab.commands import up

    with lock.exclusive(arguments.name) as layout:
        up.bring_up(layout, options.choices(arguments))
    return 0


def _install(arguments: argparse.Namespace) -> int:
    from blocklab.commands import install
    from blocklab.machine.progress import Progress

    layout = layouts.named(arguments.name)
    install.install(layout, options.choices(arguments), Progress())
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from blocklab.commands import status

    return status.show(arguments.name)


def _down(arguments: argparse.Namespace) -> int:
    from blocklab.commands import down
    from blocklab.commands import lock
    from blocklab.machine.progress import Progress

    with lock.exclusive(arguments.name) as layout:
        down.take_down(layout, Progress(), wipe=arguments.wipe)
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    from blocklab.commands import lock
    from blocklab.commands import reset
    from blocklab.lab import Lab

    with lock.exclusive(arguments.name):
        reset.reset(Lab(arguments.name))
    return 0


def _restart(arguments: argparse.Namespace) -> int:
    from blocklab.commands import lock
    from blocklab.lab import Lab

    with lock.exclusive(arguments.name):
        Lab(arguments.name).restart(arguments.service)
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    from blocklab.lab import Lab

    path = Lab(arguments.name).log_path(arguments.service)
    lines = '+1' if arguments.lines is None else str(arguments.lines)
    os.execvp('tail', ['tail', '-n', lines, str(path)])  # noqa: S606


def _exec(arguments: argparse.Namespace) -> int:
    from blocklab.lab import Lab

    words = arguments.words
    if words[:1] == ['--']:
        del words[0]
    lab = Lab(arguments.name)
    lab.require_up()
    command = lab.host(arguments.host).layout.enter(
        *(words or [os.environ.get('SHELL', '/bin/sh')])
    )
    os.execvp(command[0], command)  # noqa: S606


def _client(arguments: argparse.Namespace) -> int:
    from blocklab.lab import Lab

    lab = Lab(arguments.name)
    lab.require_up()
    words = list(arguments.words)
    if arguments.command == 'nova-blockmig' and words[:1] == ['check']:
        # It asks over the message bus.
        etc = lab.layout.etc / layouts.CONTROLLER
        words.append(f'--config-file={etc / "nova.conf"}')
    command = lab.client_command(arguments.command, *words)
    environment = {**os.environ, **lab.credentials()}
    environment['PYTHONWARNINGS'] = 'ignore'
    os.execvpe(command[0], command, environment)  # noqa: S606


def main(words: Sequence[str] | None = None) -> int:
    """Run a sub-command; its exit code."""
    arguments = parser().parse_args(words)
    if not arguments.debug:
        # Libraries warn whoever works on this, not whoever uses it.
        warnings.simplefilter('ignore')

    def work() -> int:
        layouts.named(arguments.name)
        return int(arguments.run(arguments))

    return failures.told(work, debug=arguments.debug)


def check(words: Sequence[str] | None = None) -> None:
    """Refuse a wrong call before anything is installed for it.

    :raises LabError: a choice does not exist.
    :raises SystemExit: the call is not understood, or asks for help.
    """
    arguments = parser().parse_args(words)
    layouts.named(arguments.name)
    if hasattr(arguments, 'release'):
        options.choices(arguments)
