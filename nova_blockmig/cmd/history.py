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
from nova_blockmig.core import verdict

COLUMNS = (
    'begun', 'instance', 'source', 'destination', 'result', 'seconds',
    'copied', 'rate', 'downtime', 'reason',
)  # fmt: skip


class History(command.Listed):
    """List past live migrations, the latest first.

    With the reason of those that failed, as far as Nova remembers it. Bytes,
    rate, downtime and the reasons that Nova has forgotten are in the logs of
    nova-compute, which --compute-log reads. Migrations that are only there
    are listed too; a date begins their copy then, and not the request.
    """

    nothing = 'There was no live migration.'

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
        parser.add_argument(
            '--compute-log',
            action='append',
            type=pathlib.Path,
            default=[],
            metavar='FILE',
            help="a log of a source's nova-compute, for bytes, rate and "
            'downtime; may be given more than once, the oldest first',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> moving.Table:
        """The records, with the reasons of the failures."""
        filters: dict[str, str] = {}
        earliest = 0.0
        if parsed_args.since:
            earliest = _moment(parsed_args.since)
            filters['since'] = since.iso(earliest)
        if parsed_args.host:
            filters['host'] = parsed_args.host
        cloud_ = self.cloud()
        if parsed_args.server:
            filters['server_id'] = cloud_.find_server(parsed_args.server).id
        past = [
            record
            for record in cloud_.migrations(**filters)
            if record.kind == 'live-migration'
        ]
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
                *_figures(found.get(record.id)),
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
) -> tuple[str, str, str]:
    """Bytes, rate and downtime for people."""
    if record is None:
        return '', '', ''
    copied = past_migrations.copied_bytes(record)
    rate = int(copied / record.seconds) if record.seconds else 0
    downtime = record.downtime_ms
    return (
        verdict.human(copied),
        f'{verdict.human(rate)}/s' if rate else '',
        '' if downtime is None else f'{downtime} ms',
    )


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
