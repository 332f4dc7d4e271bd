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

"""``history``: the live migrations of the past."""

import argparse

from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import command
from nova_blockmig.cmd import moving
from nova_blockmig.cmd import screen
from nova_blockmig.core import migration_progress
from nova_blockmig.core import operator_errors
from nova_blockmig.core import since

COLUMNS = (
    'begun', 'instance', 'source', 'destination', 'result', 'seconds',
    'reason',
)  # fmt: skip


class History(command.Listed):
    """List past live migrations, the latest first.

    With the reason of those that failed, as far as Nova remembers it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server',
            nargs='?',
            metavar='SERVER',
            help='name or id of an instance (default: all of all projects)',
        )
        parser.add_argument(
            '--host', metavar='HOST', help='from or to this compute host'
        )
        parser.add_argument(
            '--since',
            metavar='WHEN',
            help='such as 2h, 7d, or a date in UTC (default: ever)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> moving.Table:
        """The records, with the reasons of the failures."""
        filters: dict[str, str] = {}
        if parsed_args.since:
            filters['since'] = since.iso(_moment(parsed_args.since))
        if parsed_args.host:
            filters['host'] = parsed_args.host
        cloud_ = self.cloud()
        if parsed_args.server:
            filters['server_id'] = cloud_.find_server(parsed_args.server).id
        return COLUMNS, [
            (
                since.iso(record.created),
                record.server_id,
                record.source,
                record.destination,
                record.status,
                round(record.seconds) if record.ended else '',
                _reason(cloud_, record),
            )
            for record in cloud_.migrations(**filters)
            if record.kind == 'live-migration'
        ]


def _moment(text: str) -> float:
    try:
        return since.moment(text, screen.Clock().time())
    except ValueError as error:
        raise operator_errors.CannotAsk(str(error)) from None


def _reason(cloud_: cloud.Cloud, record: migration_progress.Migration) -> str:
    """Why it failed; empty where the instance's events are gone."""
    if not record.ended or record.completed:
        return ''
    try:
        return cloud_.reason(record.server_id, record.created)
    except operator_errors.OperatorError:
        return ''
