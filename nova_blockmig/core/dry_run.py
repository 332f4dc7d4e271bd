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

"""What two hosts say when they are asked whether an instance would fit.

The hosts tell what they know and what the formulas make of it; the last row,
the disks of the one against the room of the other, is reckoned by whoever
asks. All of it travels as plain dicts and lists.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import Any

from nova_blockmig.core import capacity
from nova_blockmig.core import model
from nova_blockmig.core import resource_check
from nova_blockmig.core import verdict


@dataclasses.dataclass(frozen=True)
class Destination:
    """What a destination answers.

    :ivar images_type: which disks it makes.
    :ivar over_commit: how the disks are to be compared.
    :ivar rows: RAM and the image base.
    :ivar disk: what there is for the disks; None if that is not checked.
    :ivar flags: names of libvirt's flags for a block migration from it.
    :ivar record: its compute_nodes record, as far as the check reads it.
    :ivar versions: product -> version as libvirt counts, 7002022 is 7.2.22;
        empty from a nova-blockmig that does not say.
    :ivar by_record: it runs the in-tree driver and said nothing; this is
        what its record says, and images_type is empty.
    """

    host: str
    version: str
    images_type: str
    over_commit: model.OverCommit
    rows: tuple[verdict.Row, ...]
    disk: verdict.Available | None
    flags: tuple[str, ...]
    record: Mapping[str, Any]
    versions: Mapping[str, int] = dataclasses.field(default_factory=dict)
    by_record: bool = False

    def to_plain(self) -> dict[str, Any]:
        """For the message bus."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> 'Destination':
        """From the message bus; fields of a newer version are left out."""
        disk = plain['disk']
        return cls(
            host=plain['host'],
            version=plain['version'],
            images_type=plain['images_type'],
            over_commit=model.OverCommit(plain['over_commit']),
            rows=tuple(_row(row) for row in plain['rows']),
            disk=_available(disk) if disk else None,
            flags=tuple(plain['flags']),
            record=dict(plain['record']),
            versions=dict(plain.get('versions', {})),
        )


@dataclasses.dataclass(frozen=True)
class Disk:
    """How one disk would travel.

    :ivar added_bytes: what its base adds on the destination.
    :ivar inline_bytes: what goes over the message bus.
    :ivar counted_bytes: what libvirt's job counts, stretches of zeroes
        included; None if it is not known.
    :ivar data_bytes: what of that is not zeroes; None likewise.
    """

    name: str
    format: str
    virtual_bytes: int
    allocated_bytes: int
    added_bytes: int
    backing_file: str | None
    method: str
    reason: str
    inline_bytes: int
    counted_bytes: int | None = None
    data_bytes: int | None = None

    def need(self) -> capacity.DiskNeed:
        """What the resource check makes of it."""
        return capacity.DiskNeed(
            self.name,
            self.virtual_bytes,
            self.allocated_bytes,
            self.added_bytes,
        )

    @property
    def travel_bytes(self) -> int:
        """What goes from host to host of this disk.

        libvirt copies what the file itself has allocated; what is flattened
        has got its base's content by then.
        """
        if self._read_only:
            return self.inline_bytes
        if self.data_bytes is not None:
            return self.data_bytes + self.inline_bytes
        if self.method == 'flatten':
            return self.allocated_bytes + self.added_bytes
        return self.allocated_bytes + self.inline_bytes

    @property
    def total_bytes(self) -> int:
        """What libvirt's job, and so Nova's API, will count of this disk."""
        if self._read_only:
            return 0
        if self.counted_bytes is not None:
            return self.counted_bytes
        return self.travel_bytes - self.inline_bytes

    @property
    def _read_only(self) -> bool:
        """libvirt copies no read-only disk; others go inline with a base."""
        return self.method == 'inline' and self.backing_file is None


@dataclasses.dataclass(frozen=True)
class Source:
    """What a source answers.

    :ivar flags: names of libvirt's flags for a block migration from it.
    :ivar refusal: why the instance cannot leave; empty if it can.
    :ivar versions: as those of a destination.
    :ivar machine_type: of the guest; empty if it is not known.
    """

    host: str
    version: str
    images_type: str
    flags: tuple[str, ...]
    disks: tuple[Disk, ...]
    refusal: str
    versions: Mapping[str, int] = dataclasses.field(default_factory=dict)
    machine_type: str = ''

    @property
    def travel_bytes(self) -> int:
        """What goes from host to host of all disks."""
        return sum(disk.travel_bytes for disk in self.disks)

    @property
    def total_bytes(self) -> int:
        """What libvirt's job will count of all disks."""
        return sum(disk.total_bytes for disk in self.disks)

    def to_plain(self) -> dict[str, Any]:
        """For the message bus."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> 'Source':
        """From the message bus; fields of a newer version are left out."""
        names = [field.name for field in dataclasses.fields(Disk)]
        return cls(
            host=plain['host'],
            version=plain['version'],
            images_type=plain['images_type'],
            flags=tuple(plain['flags']),
            disks=tuple(
                Disk(**{name: disk[name] for name in names if name in disk})
                for disk in plain['disks']
            ),
            refusal=plain['refusal'],
            versions=dict(plain.get('versions', {})),
            machine_type=plain.get('machine_type', ''),
        )


def judge(
    instance: str, source: Source, destination: Destination
) -> verdict.Verdict:
    """All rows, the disks included."""
    rows: Iterable[verdict.Row] = destination.rows
    if destination.disk is not None:
        needs = [disk.need() for disk in source.disks]
        disk = resource_check.check_disk(
            needs, destination.over_commit, destination.disk
        )
        rows = (*rows, disk)
    return verdict.Verdict(instance, destination.host, tuple(rows))


def _row(plain: Mapping[str, Any]) -> verdict.Row:
    return verdict.Row(
        verdict.Resource(plain['resource']),
        plain['need_bytes'],
        _available(plain['available']),
        plain['unit'],
    )


def _available(plain: Mapping[str, Any]) -> verdict.Available:
    return verdict.Available(
        plain['bytes'],
        tuple((label, amount) for label, amount in plain['terms']),
        plain['unknown'],
    )
