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

"""``drain``: empty a compute host for maintenance."""

import argparse
from collections.abc import Mapping
import pathlib

from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import mover_task
from nova_blockmig.cmd import moving
from nova_blockmig.cmd import record_file
from nova_blockmig.cmd import screen
from nova_blockmig.core import drain_plan
from nova_blockmig.core import drain_record
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers

REASON = 'nova-blockmig drain'


class Drain(moving.Moving):
    """Migrate all instances off a compute host for maintenance.

    The compute service is disabled first, so that no new instances are
    scheduled to the host. Nothing is forced and nothing is evacuated: an
    instance that cannot be moved stays, and the reason is shown. If the
    command is interrupted or killed, run it again to resume. The exit code is
    0 only if the host is empty or, with --dry-run, would be.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--to',
            nargs='+',
            default=[],
            metavar='HOST',
            help='Hosts to which the instances may be moved (default: all '
            'that are up and enabled)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> moving.Table:
        """Plan, ask, move, and tell what is left."""
        cloud_, host = self.cloud(), parsed_args.host
        service = self.service(cloud_, host)
        task = mover_task.Task(
            host,
            leaving=True,
            destinations=lambda: _destinations(cloud_, host, parsed_args.to),
            cold=parsed_args.cold,
            at_once=parsed_args.max_parallel,
        )
        steps = drain_plan.plan(
            cloud_.servers_on(host), task.destinations(), cold=task.cold
        )
        if not self.agreed(cloud_, steps, f'Empty {host}?', parsed_args):
            return self.plan_table(steps)
        with record_file.alone(self.path(parsed_args)):
            return self._drain(cloud_, service, task, steps, parsed_args)

    def _drain(
        self,
        cloud_: cloud.Cloud,
        service: servers.ComputeService,
        task: mover_task.Task,
        steps: tuple[drain_plan.Step, ...],
        parsed_args: argparse.Namespace,
    ) -> moving.Table:
        path = self.path(parsed_args)
        record = self._record(path, service)
        for step in steps:
            entry = record.drain.entries.get(
                step.server.id
            ) or record.drain.add(step.server)
            entry.destination = step.destination
        record_file.save(path, record.to_json())
        if service.enabled:
            cloud_.disable(service, record.disabled)
        ended = self.move(cloud_, record, record.drain, task, parsed_args)
        left = cloud_.servers_on(task.host)
        self.exit_code = 1 if left else 0
        if left:
            names = ', '.join(server.name for server in left[:5])
            more = f' and {len(left) - 5} more' if len(left) > 5 else ''
            self.screen.say(
                f'Still on {task.host}: {names}{more}. Resolve the reasons '
                'and run the same command again to resume.'
            )
        elif ended:
            self.screen.say(
                f'{task.host} is empty. To move the instances back: '
                f'nova-blockmig restore {task.host} --record {path}'
            )
        return self.result(record.drain)

    def _record(
        self, path: pathlib.Path, service: servers.ComputeService
    ) -> drain_record.Record:
        """The one that there is, to go on with, or a new one."""
        known = record_file.load(path)
        if known is not None and known.host != service.host:
            raise operator_errors.CannotAsk(
                f'{path} is the record of {known.host}, not of '
                f'{service.host}; specify another file with --record'
            )
        if known is not None and not known.is_over:
            self.screen.say(f'Resuming from {path}.')
            known.drain.again()
            return known
        if known is not None:
            old = path.with_name(f'{path.name}.old')
            record_file.save(old, known.to_json())
            self.screen.say(
                f'The record of the previous drain was saved as {old}.'
            )
        return drain_record.Record(
            host=service.host,
            disabled=f'{REASON}, record {path.name}'
            if service.enabled
            else '',
            drain=drain_record.Journey(began=screen.Clock().time()),
        )


def _destinations(
    cloud_: cloud.Cloud, host: str, wanted: list[str]
) -> Mapping[str, servers.Room]:
    """Host -> room, of those that may take instances.

    :raises operator_errors.CannotAsk: one that is wanted may not.
    """
    fit = {
        service.host
        for service in cloud_.services()
        if service.up and service.enabled and service.host != host
    }
    if unfit := sorted(set(wanted) - fit):
        raise operator_errors.CannotAsk(
            f'instances cannot be moved to {", ".join(unfit)}: only to other '
            'compute hosts that are up and enabled'
        )
    return {
        name: room
        for name, room in cloud_.rooms().items()
        if name in (wanted or fit)
    }
