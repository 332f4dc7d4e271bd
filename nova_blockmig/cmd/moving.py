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

"""What drain and restore share: plan, question, moves, result."""

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import pathlib
import sys
from typing import Any

from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import command
from nova_blockmig.cmd import interrupts
from nova_blockmig.cmd import mover
from nova_blockmig.cmd import mover_task
from nova_blockmig.cmd import record_file
from nova_blockmig.cmd import screen
from nova_blockmig.core import drain_plan
from nova_blockmig.core import drain_record
from nova_blockmig.core import journey_text
from nova_blockmig.core import operator_errors
from nova_blockmig.core import report_page
from nova_blockmig.core import servers
from nova_blockmig.core import terminal_text
from nova_blockmig.core import verdict

State = drain_record.State
PLAN = ('name', 'id', 'status', 'way', 'destination', 'up to', 'reason')
RESULT = ('name', 'id', 'result', 'host', 'seconds', 'reason')
Table = tuple[Sequence[str], Iterable[Sequence[Any]]]


class Moving(command.Listed):
    """Base of drain and restore."""

    nothing = 'There are no instances to move.'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'host', metavar='HOST', help='Compute host (name in Nova)'
        )
        parser.add_argument(
            '--record',
            type=pathlib.Path,
            metavar='FILE',
            help='File that records the progress (default: HOST.drain.json '
            'in the current directory)',
        )
        parser.add_argument(
            '--max-parallel',
            type=_at_least_one,
            default=2,
            metavar='N',
            help='Maximum number of migrations at the same time (default: '
            '%(default)s); max_concurrent_live_migrations of nova-compute on '
            'the source applies as well',
        )
        parser.add_argument(
            '--cold',
            action='store_true',
            help='Also move instances that are shut off, by cold migration',
        )
        parser.add_argument(
            '--dry-run', action='store_true', help='Show the plan and exit'
        )
        parser.add_argument(
            '--yes', action='store_true', help='Do not ask for confirmation'
        )
        parser.add_argument(
            '--report',
            type=pathlib.Path,
            metavar='FILE.html',
            help='Write an HTML report, for example for a change ticket',
        )
        return parser

    def path(self, parsed_args: argparse.Namespace) -> pathlib.Path:
        """Where the record is."""
        given: pathlib.Path | None = parsed_args.record
        return given or record_file.default(parsed_args.host)

    def service(
        self, cloud_: cloud.Cloud, host: str
    ) -> servers.ComputeService:
        """The nova-compute of a host, which has to be up.

        :raises operator_errors.OperatorError: no such host, or it is down.
        """
        every = {service.host: service for service in cloud_.services()}
        if host not in every:
            known = ', '.join(sorted(every)[:5])
            raise operator_errors.CannotAsk(
                f'there is no compute host {host!r}; known hosts: {known}'
            )
        if not every[host].up:
            raise operator_errors.No(
                f'nova-compute on {host} is down, so no instance can be '
                'migrated with its local disks: start it again ("evacuate" '
                'would rebuild the disks without their data)'
            )
        return every[host]

    def plan_table(self, steps: Sequence[drain_plan.Step]) -> Table:
        """The plan, for people and programs."""
        return PLAN, [
            (
                step.server.name,
                step.server.id,
                step.server.status,
                str(step.way),
                step.destination,
                verdict.human(_most(step.server)),
                step.reason,
            )
            for step in steps
        ]

    def agreed(
        self,
        cloud_: cloud.Cloud,
        steps: Sequence[drain_plan.Step],
        question: str,
        parsed_args: argparse.Namespace,
    ) -> bool:
        """Show the plan and ask; False if only the plan is wanted.

        The exit code of a dry run says whether everybody would be moved.

        :raises operator_errors.OperatorError: as :meth:`_ask`.
        """
        if parsed_args.dry_run:
            self.exit_code = 0 if all(step.moves for step in steps) else 1
            return False
        for path in filter(None, (self.path(parsed_args), parsed_args.report)):
            record_file.assert_can_save(path)
        count = sum(step.moves for step in steps)
        self._show_plan(
            steps,
            _time_words(
                cloud_, parsed_args.host, count, parsed_args.max_parallel
            ),
        )
        self._ask(question, yes=parsed_args.yes)
        return True

    def _show_plan(
        self, steps: Sequence[drain_plan.Step], seconds: str
    ) -> None:
        """The plan before the question, line by line."""
        for step in steps:
            what = (
                f'{step.way} to {step.destination}, up to '
                f'{verdict.human(_most(step.server))}'
                if step.moves
                else f'{step.way}: {step.reason}'
            )
            self.screen.say(f'  {step.server.name}: {what}')
        movers = [step for step in steps if step.moves]
        size = verdict.human(sum(_most(step.server) for step in movers))
        self.screen.say(
            f'{len(movers)} of {len(steps)} instances to move, up to '
            f'{size}{seconds}.'
        )

    def _ask(self, question: str, *, yes: bool) -> None:
        """Go on if the operator says so.

        :raises operator_errors.No: no.
        :raises operator_errors.CannotAsk: nobody is there to be asked.
        """
        if yes:
            return
        if not sys.stdin.isatty():
            raise operator_errors.CannotAsk(
                'there is no terminal to confirm the plan: use --yes'
            )
        print(f'{question} [y/N] ', end='', file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ('y', 'yes'):
            raise operator_errors.No('nothing was changed')

    def move(
        self,
        cloud_: cloud.Cloud,
        record: drain_record.Record,
        journey: drain_record.Journey,
        task: mover_task.Task,
        parsed_args: argparse.Namespace,
    ) -> bool:
        """Move them; whether it came to its end without a Ctrl-C."""
        path, clock = self.path(parsed_args), screen.Clock()

        def save() -> None:
            record_file.save(path, record.to_json())

        with interrupts.gently(self.screen.say) as stop:
            engine = mover.Mover(
                cloud_,
                journey,
                task,
                save=save,
                tell=self.screen.say,
                show=lambda running: self.screen.draw(
                    journey_text.live_lines(
                        journey, running, self.screen.columns
                    )
                ),
                stop=stop,
                clock=clock,
            )
            try:
                engine.run()
            finally:
                self.screen.draw([])
                save()
                self._report(record, parsed_args)
                if journey.of(State.PLANNED, State.MOVING):
                    self.screen.say(
                        f'The record is in {path}; run the same command again '
                        'to resume.'
                    )
            if not stop() and not journey.of(State.FAILED, State.STAYS):
                journey.ended = clock.time()
                save()
            self._report(record, parsed_args)
            return not stop()

    def _report(
        self, record: drain_record.Record, parsed_args: argparse.Namespace
    ) -> None:
        if parsed_args.report:
            page = report_page.page(record, screen.Clock().time())
            record_file.save(parsed_args.report, page)

    def result(self, journey: drain_record.Journey) -> Table:
        """What became of everybody."""
        return RESULT, [
            (
                entry.name,
                entry.id,
                str(entry.state),
                entry.destination if entry.state is State.MOVED else '',
                round(sum(each.seconds for each in entry.attempts)),
                entry.reason,
            )
            for entry in journey.entries.values()
        ]


def _time_words(
    cloud_: cloud.Cloud, host: str, count: int, at_once: int
) -> str:
    """How long it may take, if the past tells."""
    past = cloud_.migrations(host=host)[:100]
    needed = drain_plan.time_needed(past, count, at_once)
    if needed is None:
        return ''
    least, most = map(terminal_text.duration, needed)
    span = least if least == most else f'{least} to {most}'
    return f', {span} judging by previous migrations of {host}'


def _most(server: servers.Server) -> int:
    """Bytes that travel if every disk is full."""
    return server.memory_mb * 2**20 + server.disk_gb * 2**30


def _at_least_one(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a positive integer')
    return number
