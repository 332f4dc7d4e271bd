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
from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import pathlib
from typing import Any

from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import command
from nova_blockmig.cmd import moving
from nova_blockmig.cmd import screen
from nova_blockmig.core import migration_progress
from nova_blockmig.core import migration_record
from nova_blockmig.core import operator_errors
from nova_blockmig.core import past_migrations
from nova_blockmig.core import since
from nova_blockmig.core import terminal_text
from nova_blockmig.core import verdict

COLUMNS = (
    'begun', 'instance', 'source', 'destination', 'result', 'seconds',
    'copied', 'rate', 'downtime', 'reason',
)  # fmt: skip


class History(command.Listed):
    """List past live migrations, most recent first.

    For migrations that failed, the reason is shown if Nova still has it.
    Bytes, rate and older reasons are read from the log of nova-compute on the
    source, and the downtime from that on the destination, if they are
    specified with --compute-log. The downtimes of a single SERVER are also
    requested from Nova. Migrations that are found only in logs are listed as
    well; their date is that of the start of the copy, not of the request.
    """

    nothing = 'No live migrations found.'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server',
            nargs='?',
            metavar='SERVER',
            help='Instance (name or ID; default: all instances of all '
            'projects)',
        )
        parser.add_argument(
            '--host',
            metavar='HOST',
            help='List only migrations from or to this compute host',
        )
        parser.add_argument(
            '--since',
            metavar='WHEN',
            help='List only migrations since this time, such as 2h, 7d or a '
            'date in UTC (default: all)',
        )
        parser.add_argument(
            '--compute-log',
            action='append',
            type=pathlib.Path,
            default=[],
            metavar='FILE',
            help='Log of nova-compute on a source, to add bytes and rate, or '
            'on a destination, to add the downtime; may be repeated, oldest '
            'first',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> moving.Table:
        """The records, with the reasons of the failures."""
        filters: dict[str, str] = {}
        earliest = 0.0
        if parsed_args.since:
            earliest = _moment(parsed_args.since)
            filters['since'] = since.iso(earliest)
        cloud_ = self.cloud()
        if parsed_args.host:
            filters['host'] = parsed_args.host
            if all(s.host != parsed_args.host for s in cloud_.services()):
                self.screen.say(
                    f'There is no compute host {parsed_args.host!r} now.'
                )
        if parsed_args.server:
            filters['server_id'] = cloud_.find_server(parsed_args.server).id
        past = [
            record
            for record in cloud_.migrations(**filters)
            if record.kind == 'live-migration'
        ]
        if past and parsed_args.formatter == 'table':
            self._say_what_is_missing(parsed_args)
        logged = past_migrations.in_lines(_lines(parsed_args.compute_log))
        found = past_migrations.matched(past, logged)
        rows: list[tuple[Any, ...]] = [
            (
                record.created,
                record.server_id,
                record.source,
                record.destination,
                record.status,
                round(record.seconds) if record.ended else '',
                *_figures(
                    found.get(record.id),
                    _downtime_ms(cloud_, record)
                    if parsed_args.server
                    else None,
                ),
                _reason(cloud_, record, found.get(record.id)),
            )
            for record in past
        ]
        rows += [
            (
                past_migrations.begun(line),
                line.instance,
                line.source,
                line.destination,
                line.result,
                round(line.seconds),
                *_figures(line),
                line.reason,
            )
            for line in past_migrations.unmatched(logged, found.values())
            if line.instance == filters.get('server_id', line.instance)
            and parsed_args.host in (None, line.source, line.destination)
            and (line.ended or 0.0) >= earliest
        ]
        rows.sort(key=lambda row: row[0], reverse=True)
        return COLUMNS, [(since.iso(row[0]), *row[1:]) for row in rows]

    def _say_what_is_missing(self, parsed_args: argparse.Namespace) -> None:
        """Rather than columns that are empty for no visible reason."""
        if parsed_args.compute_log:
            return
        kept_elsewhere = (
            'bytes and rate'
            if parsed_args.server
            else 'bytes, rate and downtime'
        )
        self.screen.say(
            f'The logs of nova-compute have the {kept_elsewhere}: give '
            '--compute-log FILE.'
        )


def _lines(paths: Iterable[pathlib.Path]) -> Iterator[str]:
    for path in paths:
        try:
            with path.open(encoding='utf-8', errors='replace') as log:
                yield from log
        except OSError as error:
            raise operator_errors.CannotAsk(
                f'{path} cannot be read: {error.strerror}'
            ) from error


def _figures(
    record: migration_record.MigrationRecord | None,
    downtime_ms: int | None = None,
) -> tuple[str, str, str]:
    """Bytes, rate and downtime for people.

    :param downtime_ms: as Nova has it, if it was asked.
    """
    if record is None:
        return '', '', terminal_text.milliseconds(downtime_ms)
    copied = past_migrations.copied_bytes(record)
    rate = int(copied / record.seconds) if record.seconds else 0
    if record.downtime_ms is not None:
        downtime_ms = record.downtime_ms
    return (
        verdict.human(copied),
        f'{verdict.human(rate)}/s' if rate else '',
        terminal_text.milliseconds(downtime_ms),
    )


def _downtime_ms(
    cloud_: cloud.Cloud, record: migration_progress.Migration
) -> int | None:
    if not record.completed:
        return None
    with contextlib.suppress(operator_errors.OperatorError):
        return cloud_.downtime_ms(record.server_id, record.created)
    return None


def _moment(text: str) -> float:
    try:
        return since.moment(text, screen.Clock().time())
    except ValueError as error:
        raise operator_errors.CannotAsk(str(error)) from None


def _reason(
    cloud_: cloud.Cloud,
    record: migration_progress.Migration,
    logged: migration_record.MigrationRecord | None,
) -> str:
    """Why it failed; by the log where the instance's events are gone."""
    if not record.ended or record.completed:
        return ''
    reason = ''
    with contextlib.suppress(operator_errors.OperatorError):
        reason = cloud_.reason(record.server_id, record.created)
    return reason or (logged.reason if logged else '')
