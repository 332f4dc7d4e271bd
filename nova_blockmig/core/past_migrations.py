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

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_blockmig.core import migration_progress
from nova_blockmig.core import migration_record

Route = tuple[str, str, str]
"""Instance, source and destination."""


def in_lines(
    lines: Iterable[str],
) -> dict[Route, list[migration_record.MigrationRecord]]:
    """What there is in a log, in its order."""
    found: dict[Route, list[migration_record.MigrationRecord]] = {}
    for line in lines:
        if record := migration_record.read(line):
            route = (record.instance, record.source, record.destination)
            found.setdefault(route, []).append(record)
    return found


def matched(
    past: Sequence[migration_progress.Migration],
    logged: Mapping[Route, list[migration_record.MigrationRecord]],
) -> dict[int, migration_record.MigrationRecord]:
    """Id of Nova's record -> what the driver wrote.

    A log does not name Nova's record, and its beginning may be gone: the
    latest belongs to the latest. A migration that was refused before the
    copy has no line.

    :param past: the latest first.
    """
    left = {route: list(records) for route, records in logged.items()}
    found = {}
    for migration in past:
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


def copied_bytes(record: migration_record.MigrationRecord) -> int:
    """Bytes of all disks that libvirt copied."""
    return sum(disk.copied_bytes or 0 for disk in record.disks)
