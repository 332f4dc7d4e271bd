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

"""The one line that a block migration leaves in nova-compute's log.

The driver writes it at the end of each block migration, on the source; the
operator's tools read it. It is :data:`PREFIX` and a JSON object on one line;
doc/source/reference/migration-record.rst describes the fields. Keys are
added, never renamed or given another meaning.
"""

from collections.abc import Mapping
import dataclasses
import json
from typing import Any

PREFIX = 'Block migration record: '
VERSION = 1


@dataclasses.dataclass(frozen=True)
class DiskRecord:
    """One disk of a migration.

    :ivar name: of the file in the instance directory: ``disk.eph0``.
    :ivar method: how what libvirt does not copy was transferred, a value of
        :class:`nova_blockmig.core.model.TransferMethod`.
    :ivar copied_bytes: what libvirt copied of it; None if it copied nothing,
        or was done before anybody looked.
    :ivar seconds: from the first sight of its copy to the last; None
        likewise.
    """

    name: str
    method: str
    copied_bytes: int | None = None
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class MigrationRecord:
    """How a block migration ended.

    :ivar instance: UUID.
    :ivar source: compute host that the instance came from.
    :ivar destination: compute host that it was to go to.
    :ivar result: ``completed``, ``failed`` or ``cancelled``.
    :ivar reason: why it did not complete; empty if it did.
    :ivar seconds: from the start of the copy to the end.
    :ivar downtime_ms: how long the guest stood still; None if libvirt did
        not say.
    :ivar disks: in the order of the guest's devices.
    :ivar migration: UUID of Nova's record of it; empty in lines of a version
        that did not write it.
    :ivar ended: seconds since 1970; None likewise.
    """

    instance: str
    source: str
    destination: str
    result: str
    seconds: float
    reason: str = ''
    downtime_ms: int | None = None
    disks: tuple[DiskRecord, ...] = ()
    migration: str = ''
    ended: float | None = None

    def to_line(self) -> str:
        """The line without what the logger puts in front of it."""
        fields = {'version': VERSION, **dataclasses.asdict(self)}
        return PREFIX + json.dumps(fields, ensure_ascii=True)


def read(line: str) -> MigrationRecord | None:
    """The record in a line of a log; None if there is none.

    Unknown keys are left out, so that an older reader takes a newer line.
    """
    _, found, text = line.partition(PREFIX)
    if not found:
        return None
    try:
        fields, _ = json.JSONDecoder().raw_decode(text)
        disks = tuple(
            DiskRecord(**_known(DiskRecord, disk)) for disk in fields['disks']
        )
        record = MigrationRecord(
            **{**_known(MigrationRecord, fields), 'disks': disks}
        )
    except (ValueError, TypeError, KeyError):
        return None
    return record


def _known(kind: type[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: fields[name] for name in fields if name in names}
