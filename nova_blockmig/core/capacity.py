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


"""What a destination has, and what wants to go there.

Every size is in bytes.
"""

import dataclasses

from nova_blockmig.core import model


@dataclasses.dataclass(frozen=True)
class HostCapacity:
    """What a compute host's record says of it.

    :ivar host: name of the compute host.
    :ivar memory_bytes: ``memory_mb``.
    :ivar memory_used_bytes: ``memory_mb - free_ram_mb``. Nova counts
        ``reserved_host_memory_mb`` in.
    :ivar ram_allocation_ratio: greater than 0.
    :ivar local_bytes: ``local_gb``, the size of the file system.
    :ivar local_used_bytes: ``local_gb_used``: the flavors of its instances,
        not what they occupy. Nova counts ``reserved_host_disk_mb`` in.
    :ivar disk_allocation_ratio: greater than 0.
    :ivar disk_available_least_bytes: ``disk_available_least``: free space
        less what the disks on the host may still grow. The reserve is not
        taken off. None if the column is NULL.
    :ivar age_seconds: since the record was written; None if it does not say.
    :ivar stale_after_seconds: age from which the record is considered stale;
        None if the periodic task that writes it is switched off.
    """

    host: str
    memory_bytes: int
    memory_used_bytes: int
    ram_allocation_ratio: float
    local_bytes: int
    local_used_bytes: int
    disk_allocation_ratio: float
    disk_available_least_bytes: int | None
    age_seconds: float | None = None
    stale_after_seconds: float | None = None

    @property
    def stale(self) -> bool:
        """Whether the record is too old to decide by."""
        return (
            self.age_seconds is not None
            and self.stale_after_seconds is not None
            and self.age_seconds > self.stale_after_seconds
        )


@dataclasses.dataclass(frozen=True)
class Incoming:
    """Another instance on its way to the same destination.

    :ivar instance: its UUID.
    :ivar memory_bytes: of its flavor.
    :ivar disk_bytes: root, ephemeral and swap of its flavor.
    :ivar left_bytes: what its migration may still write there.
    :ivar flavor_counted: the destination's record has the flavor already, in
        ``memory_mb_used`` and ``local_gb_used``.
    :ivar disks_counted: its ``disk_available_least`` has the disks already.
    """

    instance: str
    memory_bytes: int
    disk_bytes: int
    left_bytes: int
    flavor_counted: bool = False
    disks_counted: bool = False


@dataclasses.dataclass(frozen=True)
class ImageBase:
    """An image that the destination has to fetch into its cache.

    :ivar kept_bytes: most that stays in the cache.
    :ivar peak_bytes: most that is there while it is fetched: the download
        stays until its conversion to raw has ended.
    :ivar unknown: why the sizes are not known; empty if they are.
    """

    kept_bytes: int
    peak_bytes: int
    unknown: str = ''


@dataclasses.dataclass(frozen=True)
class DiskSpace:
    """What the destination measures, and what its configuration says.

    :ivar free_bytes: free in the file system of ``instances_path`` now;
        None if disks are kept elsewhere.
    :ivar reserved_bytes: ``reserved_host_disk_mb``.
    :ivar base: the image to fetch; None if it is cached or there is none.
    """

    free_bytes: int | None
    reserved_bytes: int = 0
    base: ImageBase | None = None


@dataclasses.dataclass(frozen=True)
class DiskNeed:
    """What one disk needs on the destination.

    :ivar added_bytes: what carrying or flattening adds to the allocation.
    """

    name: str
    virtual_bytes: int
    allocated_bytes: int
    added_bytes: int = 0

    def bytes(self, mode: model.OverCommit) -> int:
        """The need in this mode. A full disk cannot grow any more."""
        if mode is model.OverCommit.ACTUAL:
            return self.allocated_bytes + self.added_bytes
        return self.virtual_bytes
