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

"""``watch``: a live migration while it runs."""

import argparse
from typing import Any

from nova_blockmig.cmd import command
from nova_blockmig.cmd import watching
from nova_blockmig.core import terminal_text


class Watch(command.Shown):
    """Show the progress of a live migration until it ends.

    The exit code is 0 if the instance is on the destination at the end, and 1
    otherwise.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server',
            metavar='SERVER',
            help='Instance (name or ID, in any project)',
        )
        parser.add_argument(
            '--wait',
            type=float,
            default=0.0,
            metavar='SECONDS',
            help='How long to wait for a migration to start, if none is in '
            'progress (default: do not wait)',
        )
        return parser

    def fields(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """The end of it."""
        cloud = self.cloud()
        server = cloud.find_server(parsed_args.server)
        watcher = watching.Watcher(cloud, self.screen)
        outcome = watcher.follow(server, parsed_args.wait)
        self.exit_code = 0 if outcome.moved else 1
        now, migration = outcome.server, outcome.migration
        return {
            'server': server.name,
            'id': server.id,
            'result': migration.status,
            'source': migration.source,
            'destination': migration.destination,
            'seconds': round(migration.seconds),
            'downtime': terminal_text.milliseconds(outcome.downtime_ms),
            'host': now.host if now else '',
            'status': now.status if now else 'DELETED',
            'reason': outcome.reason,
        }
