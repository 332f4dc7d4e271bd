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

"""Nova's records of past migrations, and what the driver wrote of them.

Nova keeps neither bytes nor downtime; the driver's log has them.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

from nova_blockmig.core import migration_progress
from nova_blockmig.core import migration_record

Route = tuple[str, str, str]
"""Instance, source and destination."""


def in_lines(
    lines: Iterable[str],
) -> dict[Route, list[migration_record.MigrationRecord]]:
    """What sources have written in logs, in their order.

    With the downtime, if the logs have the destination's line as well.
    """
    found: dict[Route, list[migration_record.MigrationRecord]] = {}
    downtimes = {}
    for line in lines:
        if record := migration_record.read(line):
            route = (record.instance, record.source, record.destination)
            found.setdefault(route, []).append(record)
        elif (arrival := migration_record.read_arrival(line)) and (
            arrival.migration
        ):
            downtimes[arrival.migration] = arrival.downtime_ms
    return {
        route: [_with_downtime(record, downtimes) for record in records]
        for route, records in found.items()
    }


def _with_downtime(
    record: migration_record.MigrationRecord,
    downtimes: Mapping[str, int | None],
) -> migration_record.MigrationRecord:
    if record.downtime_ms is not None:
        return record
    downtime = downtimes.get(record.migration)
    return dataclasses.replace(record, downtime_ms=downtime)


def matched(
    past: Sequence[migration_progress.Migration],
    logged: Mapping[Route, list[migration_record.MigrationRecord]],
) -> dict[int, migration_record.MigrationRecord]:
    """Id of Nova's record -> what the driver wrote.

    A line that does not name Nova's record is an older one, and the beginning
    of the log may be gone: the latest belongs to the latest. A migration that
    was refused before the copy has no line.

    :param past: the latest first.
    """
    named = {
        record.migration: record
        for records in logged.values()
        for record in records
        if record.migration
    }
    left = {
        route: [record for record in records if not record.migration]
        for route, records in logged.items()
    }
    found = {}
    for migration in past:
        if migration.uuid in named:
            found[migration.id] = named[migration.uuid]
            continue
        if not migration.ended:
            continue
        route = (
            migration.server_id, migration.source, migration.destination
        )  # fmt: skip
        records = left.get(route)
        if not records:
            continue
        done = records[-1].result == 'completed'
        if done is migration.completed:
            found[migration.id] = records.pop()
    return found


def unmatched(
    logged: Mapping[Route, list[migration_record.MigrationRecord]],
    found: Collection[migration_record.MigrationRecord],
) -> list[migration_record.MigrationRecord]:
    """What the driver wrote of migrations that Nova has forgotten.

    Nova forgets when its database is archived. Only lines that say when they
    were written; the latest first.

    :param found: those that belong to a record of Nova.
    """
    left = [
        record
        for records in logged.values()
        for record in records
        if record.ended is not None and record not in found
    ]
    return sorted(left, key=begun, reverse=True)


def begun(record: migration_record.MigrationRecord) -> float:
    """When its copy began, in seconds since 1970; 0 if it does not say."""
    return 0.0 if record.ended is None else record.ended - record.seconds


def copied_bytes(record: migration_record.MigrationRecord) -> int:
    """Bytes of all disks that libvirt copied."""
    return sum(disk.copied_bytes or 0 for disk in record.disks)
