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

"""The lines that a block migration leaves in the logs of nova-compute.

The driver writes one at the end of each block migration, on the source, and
one on the destination once the guest runs there; the operator's tools read
them. They are :data:`PREFIX` or :data:`ARRIVAL_PREFIX` and a JSON object on
one line; doc/source/reference/migration-record.rst describes the fields. Keys
are added, never renamed or given another meaning.
"""

from collections.abc import Mapping
import dataclasses
import json
import re
from typing import Any
from typing import TypeVar

PREFIX = 'Block migration record: '
ARRIVAL_PREFIX = 'Block migration arrival: '
VERSION = 1
DOWNTIME_EVENT = 'compute_live_migration_downtime'
"""Name of the event of the instance that has :func:`stood_still`."""

T = TypeVar('T')


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
    :ivar downtime_ms: how long the guest stood still; None in what the
        source writes, which does not know it.
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
        return _line(PREFIX, self)


@dataclasses.dataclass(frozen=True)
class ArrivalRecord:
    """What only the destination of a block migration knows.

    The figures are those of libvirt's completed job there.

    :ivar instance: UUID.
    :ivar source: compute host that the instance came from.
    :ivar destination: compute host that it runs on now.
    :ivar downtime_ms: from the moment at which the guest was stopped on the
        source, by the clock of the source, to the one at which it ran on the
        destination, by the clock of that; None if libvirt did not say.
    :ivar downtime_net_ms: the same without the way of libvirt's last message
        from host to host, and without what their clocks differ by; None
        likewise.
    :ivar migration: UUID of Nova's record of it; empty if it is not known.
    :ivar ended: seconds since 1970.
    """

    instance: str
    source: str
    destination: str
    downtime_ms: int | None = None
    downtime_net_ms: int | None = None
    migration: str = ''
    ended: float | None = None

    def to_line(self) -> str:
        """The line without what the logger puts in front of it."""
        return _line(ARRIVAL_PREFIX, self)


def read(line: str) -> MigrationRecord | None:
    """The record in a line of a log; None if there is none.

    Unknown keys are left out, so that an older reader takes a newer line.
    """
    fields = _fields(PREFIX, line)
    try:
        disks = tuple(_made(DiskRecord, disk) for disk in fields['disks'])
        return _made(MigrationRecord, {**fields, 'disks': disks})
    except (AttributeError, TypeError, KeyError):
        return None


def read_arrival(line: str) -> ArrivalRecord | None:
    """The same of what the destination writes."""
    try:
        return _made(ArrivalRecord, _fields(ARRIVAL_PREFIX, line))
    except TypeError:
        return None


def stood_still(downtime_ms: int) -> str:
    """What an event of the instance says of its downtime."""
    return f'The guest stood still for {downtime_ms} ms'


def read_stood_still(text: str) -> int | None:
    """The milliseconds that :func:`stood_still` was given."""
    found = re.fullmatch(stood_still(0).replace('0', r'(\d+)'), text)
    return int(found[1]) if found else None


def _line(prefix: str, record: MigrationRecord | ArrivalRecord) -> str:
    fields = {'version': VERSION, **dataclasses.asdict(record)}
    return prefix + json.dumps(fields, ensure_ascii=True)


def _fields(prefix: str, line: str) -> dict[str, Any]:
    """The object in a line; empty if there is none."""
    _, found, text = line.partition(prefix)
    if not found:
        return {}
    try:
        fields, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _made(kind: type[T], fields: Mapping[str, Any]) -> T:
    """Only what it knows; a TypeError if something is missing."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: of for name, of in fields.items() if name in names})
