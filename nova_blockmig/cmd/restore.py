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

"""``restore``: bring back who was on a host before it was emptied."""

import argparse
from collections.abc import Mapping

from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import drain
from nova_blockmig.cmd import mover_task
from nova_blockmig.cmd import moving
from nova_blockmig.cmd import record_file
from nova_blockmig.cmd import screen
from nova_blockmig.core import drain_plan
from nova_blockmig.core import drain_record
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers

State = drain_record.State


class Restore(moving.Moving):
    """Migrate the instances that were moved by a drain back to the host.

    The compute service is enabled first. Instances that have been deleted are
    skipped, and an instance that cannot be moved back stays where it is, and
    the reason is shown. If the command is interrupted or killed, run it again
    to resume. The exit code is 0 only if all instances are back.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> moving.Table:
        """Plan, ask, move."""
        cloud_, host = self.cloud(), parsed_args.host
        path = self.path(parsed_args)
        service = self.service(cloud_, host)
        record = record_file.load(path)
        if record is None or record.host != host:
            what = (
                'does not exist'
                if record is None
                else 'belongs to another host'
            )
            raise operator_errors.CannotAsk(
                f'{path} {what}; specify the record of "nova-blockmig drain '
                f'{host}" with --record'
            )
        self._check(service)
        task = mover_task.Task(
            host,
            leaving=False,
            destinations=lambda: _only(cloud_, host),
            cold=parsed_args.cold,
            at_once=parsed_args.max_parallel,
        )
        absent, steps = _plan(cloud_, record, task)
        question = f'Move the instances back to {host}?'
        if not self.agreed(cloud_, steps, question, parsed_args):
            return self.plan_table(steps)
        with record_file.alone(path):
            if not service.enabled:
                cloud_.enable(service)
            journey = _journey(record, absent)
            record_file.save(path, record.to_json())
            self.move(cloud_, record, journey, task, parsed_args)
        unfinished = journey.of(
            State.PLANNED, State.MOVING, State.FAILED, State.STAYS
        )
        self.exit_code = 1 if unfinished else 0
        return self.result(journey)

    def _check(self, service: servers.ComputeService) -> None:
        """Who else has disabled it, knows why."""
        if not service.enabled and not service.reason.startswith(drain.REASON):
            raise operator_errors.No(
                f'the compute service of {service.host} was disabled with the '
                f'reason {service.reason!r}, not by a drain; if that reason '
                'no longer applies, enable it first: openstack compute '
                f'service set --enable {service.host} nova-compute'
            )


def _only(cloud_: cloud.Cloud, host: str) -> Mapping[str, servers.Room]:
    return {host: cloud_.rooms().get(host, servers.Room(host))}


def _plan(
    cloud_: cloud.Cloud, record: drain_record.Record, task: mover_task.Task
) -> tuple[list[servers.Server], tuple[drain_plan.Step, ...]]:
    """Who is elsewhere now, and how each comes back."""
    found = (
        cloud_.server(entry.id)
        for entry in record.drain.of(State.MOVED, State.MOVING)
    )
    absent = [
        server
        for server in found
        if server is not None and server.host != task.host
    ]
    return absent, drain_plan.plan(absent, task.destinations(), cold=task.cold)


def _journey(
    record: drain_record.Record, absent: list[servers.Server]
) -> drain_record.Journey:
    """The way back; one that was interrupted goes on."""
    if record.restore is None:
        record.restore = drain_record.Journey(began=screen.Clock().time())
    journey = record.restore
    journey.again()
    for server in absent:
        entry = journey.entries.get(server.id) or journey.add(server)
        if entry.state is State.MOVED:
            entry.state, entry.destination = State.PLANNED, ''
    return journey
