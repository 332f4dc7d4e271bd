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
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from oslo_utils import uuidutils

from nova_blockmig.cmd import command
from nova_blockmig.core import dry_run
from nova_blockmig.core import errors
from nova_blockmig.core import operator_errors
from nova_blockmig.core import verdict

if TYPE_CHECKING:
    from nova_blockmig.cmd import bus

FITS, DOES_NOT_FIT, NOT_ASKED = 'fits', 'does not fit', 'not asked'
_SHORT = ('destination', 'result', 'RAM', 'image base', 'disk', 'reason')
# For programs: all that the hosts said.
_LONG = (*_SHORT, 'rows', 'disks', 'flags', 'record')


class Check(command.Listed):
    """Ask whether a running instance would fit on other compute hosts.

    The source tells how each of its disks would travel, and each destination
    makes the resource check. Nothing is reserved, claimed or changed.

    The hosts are asked over the message bus, so this needs a nova.conf with
    the transport_url of the cell, as a compute host has it; no credentials
    are needed then. The exit code is 0 if the instance fits on one of the
    hosts, 1 if it does not, and 2 if none could be asked.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server',
            metavar='SERVER',
            help='id of the instance, of any project; or its name, for which '
            'credentials are needed',
        )
        parser.add_argument(
            '--host',
            action='append',
            default=[],
            metavar='HOST',
            help='a compute host to ask; may be given more than once '
            '(default: all of the cell)',
        )
        parser.add_argument(
            '--disk-over-commit',
            action='store_true',
            default=None,
            help='compare what the disks occupy, as a request with this '
            'option does (default: [blockmig] disk_over_commit of each host)',
        )
        parser.add_argument(
            '--config-file',
            action='append',
            default=[],
            metavar='PATH',
            help='nova.conf; may be given more than once (default: where '
            'nova-compute looks for it)',
        )
        return parser

    def bus(self, config_files: Sequence[str]) -> 'bus.Bus':
        """The message bus of the cell.

        :raises operator_errors.CannotAsk: there is no way to it from here.
        """
        try:
            # The other commands do without Nova.
            from nova_blockmig.cmd import bus
        except ImportError as exc:
            raise operator_errors.CannotAsk(
                f'Nova is not installed here ({exc}): run it on a compute host'
            ) from exc
        return bus.connect(config_files)

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
        """One line for each destination."""
        server = parsed_args.server
        if not uuidutils.is_uuid_like(server):
            server = self.cloud().find_server(server).id
        hosts = self.bus(parsed_args.config_file)
        where = hosts.host_of(server)
        source = hosts.source(where, server)
        lines = []
        unasked: operator_errors.NotAnswered | None = None
        for host in parsed_args.host or hosts.hosts():
            if host == where and not parsed_args.host:
                continue
            try:
                there = hosts.destination(
                    host, server, parsed_args.disk_over_commit
                )
            except operator_errors.NotAnswered as exc:
                unasked = exc
                lines.append(_unasked(host, exc))
            else:
                lines.append(_line(server, source, there))
        results = [line['result'] for line in lines]
        if unasked and set(results) == {NOT_ASKED}:
            raise unasked
        self.exit_code = 0 if FITS in results else 1
        if parsed_args.formatter != 'table':
            return _LONG, [tuple(line[k] for k in _LONG) for line in lines]
        for disk in source.disks:
            self.screen.say(_told(disk))
        return _SHORT, [tuple(line[k] for k in _SHORT) for line in lines]


def _line(
    server: str, source: dry_run.Source, there: dry_run.Destination
) -> dict[str, Any]:
    judged = dry_run.judge(server, source, there)
    reasons = [] if judged.fits else [judged.sentence()]
    if source.refusal:
        reasons.append(source.refusal)
    if there.host == source.host:
        reasons.append('the instance is there')
    elif there.images_type != source.images_type:
        reasons.append(
            str(
                errors.ImagesTypeDiffers(
                    source.host, source.images_type, there.images_type
                )
            )
        )
    cells = {row.resource.value: row.summary() for row in judged.rows}
    return {
        'RAM': '',
        'image base': '',
        'disk': '',
        **cells,
        'destination': there.host,
        'result': DOES_NOT_FIT if reasons else FITS,
        'reason': '; '.join(reasons),
        'rows': [_row(row) for row in judged.rows],
        'disks': source.to_plain()['disks'],
        'flags': list(source.flags),
        'record': dict(there.record),
    }


def _unasked(host: str, why: Exception) -> dict[str, Any]:
    empty: Mapping[str, Any] = dict.fromkeys(_LONG, '')
    return {
        **empty,
        'destination': host,
        'result': NOT_ASKED,
        'reason': str(why),
    }


def _row(row: verdict.Row) -> dict[str, Any]:
    return {
        'resource': row.name,
        'need_bytes': row.need_bytes,
        'available_bytes': row.available.bytes,
        'terms': [list(term) for term in row.available.terms],
        'unknown': row.available.unknown,
        'fits': row.fits,
    }


def _told(disk: dry_run.Disk) -> str:
    line = (
        f'{disk.name}: {disk.format}, {verdict.human(disk.virtual_bytes)} '
        f'({verdict.human(disk.allocated_bytes)} allocated), {disk.method}'
    )
    if disk.inline_bytes:
        line += f', {verdict.human(disk.inline_bytes)} inline'
    return f'{line}: {disk.reason}'
