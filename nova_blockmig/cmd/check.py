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

"""``check``: whether an instance would fit, before anybody moves it."""

import argparse
from collections.abc import Sequence
import functools
import math
from typing import TYPE_CHECKING
from typing import Any

from oslo_utils import uuidutils

from nova_blockmig.cmd import asking
from nova_blockmig.cmd import command
from nova_blockmig.core import check_text
from nova_blockmig.core import dry_run
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers
from nova_blockmig.core import travel_time

if TYPE_CHECKING:
    from nova_blockmig.cmd.bus import Bus

MIB = 2**20


class Check(command.Listed):
    """Check whether an instance can be live-migrated to other hosts.

    The source reports how each disk would be transferred, and each destination
    runs the resource check. Nothing is reserved, claimed or changed. With a
    single destination, all details of the check are shown. A destination with
    the in-tree driver cannot answer: its compute node record is evaluated
    instead, and the result is "may fit" at best.

    The hosts are queried over the message bus, which requires a nova.conf with
    the transport_url of the cell, as on a compute host. Credentials are
    required to specify the instance by name, and to ask Glance whether its
    image is still available. The exit code is 0 if the instance fits on at
    least one host, 1 if it does not fit on any, and 2 if no host could be
    queried or if it only may fit.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server',
            metavar='SERVER',
            help='Instance (ID, in any project; or name, which requires '
            'credentials)',
        )
        parser.add_argument(
            '--host',
            action='append',
            default=[],
            metavar='HOST',
            help='Compute host to check; may be repeated (default: all hosts '
            'in the cell)',
        )
        parser.add_argument(
            '--disk-over-commit',
            action='store_true',
            default=None,
            help='Compare the allocated sizes of the disks, as for a request '
            'with disk over-commit (default: [blockmig] '
            'disk_over_commit of each host)',
        )
        parser.add_argument(
            '--bandwidth',
            type=_positive,
            metavar='MIB',
            help='Bandwidth of the migration in MiB per second, used to '
            'estimate its duration (default: that of recent migrations '
            'between the same hosts)',
        )
        parser.add_argument(
            '--config-file',
            action='append',
            default=[],
            metavar='PATH',
            help='Path to nova.conf; may be repeated (default: the files '
            'that nova-compute reads)',
        )
        return parser

    def bus(
        self, config_files: Sequence[str], connection: Any | None = None
    ) -> 'Bus':
        """The message bus of the cell.

        :raises operator_errors.CannotAsk: there is no way to it from here.
        """
        try:
            # The other commands do without Nova.
            from nova_blockmig.cmd import bus
        except ImportError as exc:
            raise operator_errors.CannotAsk(
                f'Nova is not installed here ({exc}): run this command on a '
                'compute host'
            ) from exc
        return bus.connect(config_files, connection)

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
        """One line for each destination, those that it fits on first."""
        hosts, server = self._find(parsed_args)
        asked = _chosen(hosts.services(), server.host, parsed_args.host)
        source = hosts.source(server.host, server.id)
        answers = asking.ask_all(
            asked,
            functools.partial(
                asking.destination, hosts, server, parsed_args.disk_over_commit
            ),
        )
        in_tree, answers = asking.for_in_tree(hosts, server, answers)
        answered = [
            each
            for _, each in answers
            if isinstance(each, dry_run.Destination)
        ]
        if not answered:
            raise next(
                each
                for _, each in answers
                if isinstance(each, operator_errors.NotAnswered)
            )
        time = self._times(hosts, source, parsed_args.bandwidth)
        lines = sorted(
            (
                check_text.Line(
                    server,
                    asking.source_for(source, in_tree, answer),
                    service,
                    answer,
                    time,
                )
                for service, answer in answers
            ),
            key=lambda line: line.rank,
        )
        self.exit_code = lines[0].exit_code
        if parsed_args.formatter != 'table':
            columns = check_text.LONG
            return columns, [line.values(columns) for line in lines]
        for said in check_text.about_source(source, server):
            self.screen.say(said)
        if len(answered) == 1 and len(asked) == 1:
            there = answered[0]
            for said in check_text.about_destination(
                asking.source_for(source, in_tree, there), there
            ):
                self.screen.say(said)
        columns = check_text.short(lines)
        return columns, [line.values(columns) for line in lines]

    def _find(
        self, parsed_args: argparse.Namespace
    ) -> tuple['Bus', servers.Server]:
        """The bus, and the instance that is asked about."""
        name, files = parsed_args.server, parsed_args.config_file
        connection = None
        if uuidutils.is_uuid_like(name):
            try:
                connection = self.connection()
                hosts = self.bus(files, connection)
            except operator_errors.NoCredentials:
                hosts = self.bus(files)
                self.screen.say(
                    'No credentials: Glance was not queried, and the image '
                    'of the instance is assumed to be available.'
                )
        else:
            name = self.cloud().find_server(name).id
            hosts = self.bus(files, self.connection())
        server = hosts.instance(name)
        if not server.host:
            raise operator_errors.No(
                f'{server.name} is not on any compute host; its status is '
                f'{server.status}'
            )
        return hosts, server

    def _times(
        self, hosts: 'Bus', source: dry_run.Source, bandwidth: float | None
    ) -> check_text.Time:
        """What tells the time of so many bytes to a host.

        A network carries data, and Nova's records of the past have what
        libvirt counted.
        """
        if bandwidth:
            return lambda _, data, counted: travel_time.by_bandwidth(
                data, bandwidth * MIB
            )
        past = hosts.past(source.host)
        return lambda host, data, counted: travel_time.by_past(
            counted, past, source.host, host
        )


def _chosen(
    services: Sequence[servers.ComputeService],
    source: str,
    wanted: Sequence[str],
) -> list[servers.ComputeService]:
    """The hosts that are asked.

    :raises operator_errors.CannotAsk: one that is wanted does not exist, or
        there is nobody to ask.
    """
    known = {service.host: service for service in services}
    if unknown := sorted(set(wanted) - known.keys()):
        raise operator_errors.CannotAsk(
            f'there is no compute host {", ".join(map(repr, unknown))} in '
            f'this cell; known hosts: {", ".join(sorted(known)[:5])}'
        )
    if not wanted and not known.keys() - {source}:
        raise operator_errors.No(
            f'{source} is the only compute host in the cell'
        )
    return [
        service
        for host, service in known.items()
        if (host in wanted if wanted else host != source)
    ]


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a positive number')
    return number
