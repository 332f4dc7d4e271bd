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

"""What nova-blockmig uses of Nova's libvirt driver and of libvirt.

Of the same kind as ``nova_types``, and held to it by the same test.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Protocol

from nova_blockmig.compute import nova_types


class Image(Protocol):
    """nova.virt.libvirt.imagebackend.Image."""

    def cache(
        self,
        fetch_func: Callable[..., None],
        filename: str,
        *,
        context: nova_types.Context,
        image_id: str,
    ) -> None: ...


class ImageBackend(Protocol):
    """nova.virt.libvirt.imagebackend.Backend."""

    def by_name(
        self,
        instance: nova_types.Instance,
        name: str,
        image_type: str | None = None,
    ) -> Image: ...


class GuestDevice(Protocol):
    """nova.virt.libvirt.config.LibvirtConfigGuestDisk.

    Of another device, which has another ``root_name``, that is all to be
    read.
    """

    root_name: str
    source_type: str
    source_path: str | None
    source_name: str | None
    source_device: str
    target_dev: str
    driver_format: str | None
    readonly: bool


class GuestConfig(Protocol):
    """nova.virt.libvirt.config.LibvirtConfigGuest."""

    uuid: str
    os_type: str | None
    os_mach_type: str | None
    os_loader_type: str | None
    devices: list[GuestDevice]


class BlockJob(Protocol):
    """nova.virt.libvirt.guest.BlockDeviceJobInfo."""

    cur: int
    end: int


class BlockDevice(Protocol):
    """nova.virt.libvirt.guest.BlockDevice."""

    def get_job_info(self) -> BlockJob | None: ...

    def rebase(self, base: str | None) -> None: ...

    def abort_job(self) -> None: ...


class JobInfo(Protocol):
    """nova.virt.libvirt.guest.JobInfo."""

    type: int
    memory_total: int
    disk_total: int
    disk_processed: int
    disk_remaining: int


class Domain(Protocol):
    """libvirt.virDomain."""

    def state(self) -> Sequence[int]: ...

    def jobStats(self, flags: int) -> dict[str, int]: ...  # noqa: N802

    def migrateToURI3(  # noqa: N802
        self, dconnuri: str, params: dict[str, object], flags: int
    ) -> object: ...


class Guest(Protocol):
    """nova.virt.libvirt.guest.Guest."""

    _domain: Domain

    def is_active(self) -> bool: ...

    def get_config(self) -> GuestConfig: ...

    def get_all_disks(self) -> Iterator[GuestDevice]: ...

    def get_block_device(self, disk: str) -> BlockDevice: ...


class Connection(Protocol):
    """libvirt.virConnect."""

    def getLibVersion(self) -> int: ...  # noqa: N802

    def getVersion(self) -> int: ...  # noqa: N802


class EventQueue(Protocol):
    """The queue of connection events, which are functions to call."""

    def put(self, item: Callable[[], object]) -> None: ...


class Host(Protocol):
    """nova.virt.libvirt.host.Host."""

    _conn_event_handler_queue: EventQueue

    def get_connection(self) -> Connection: ...

    def get_guest(self, instance: nova_types.Instance) -> Guest: ...

    def has_min_version(
        self,
        lv_ver: tuple[int, ...] | None = None,
        hv_ver: tuple[int, ...] | None = None,
    ) -> bool: ...


class Driver(Protocol):
    """nova.virt.libvirt.driver.LibvirtDriver."""

    _host: Host
    _image_api: nova_types.ImageApi
    _block_migration_flags: int

    @property
    def image_backend(self) -> ImageBackend: ...

    def list_instance_uuids(self) -> list[str]: ...

    def _get_instance_disk_info(
        self,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo,
    ) -> list[nova_types.DiskInfo]: ...

    def _get_instance_disk_info_from_config(
        self,
        guest_config: GuestConfig,
        block_device_info: nova_types.BlockDeviceInfo,
    ) -> list[nova_types.DiskInfo]: ...
