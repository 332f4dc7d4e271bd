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

"""What nova-blockmig uses of Nova's and libvirt's objects, with types.

Nova comes without type information. Each protocol here lists the members that
this package uses of one class, as the newest supported release has them, and
nothing else. ``tests/repository/contract/test_nova_types.py`` compares them
with the classes of the installed Nova. What is only handed on is an
``object``.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import datetime
from typing import Any
from typing import Protocol

BlockDeviceInfo = object
"""``nova.virt.driver.get_block_device_info``; read by Nova only."""

DiskInfo = dict[str, Any]
"""One disk of ``get_instance_disk_info``, as it goes over the message bus."""

Row = Mapping[str, Any]
"""A compute_nodes record, as the conductor hands it to a check."""

GlanceImage = Mapping[str, Any]
"""An image as nova.image.glance.API and Glance's client show it."""

Inventory = Mapping[str, Mapping[str, Any]]
"""What Placement is told of a host, by resource class."""


class Context(Protocol):
    """nova.context.RequestContext."""

    auth_token: str | None
    request_id: str

    def elevated(self) -> 'Context': ...


class Flavor(Protocol):
    """nova.objects.Flavor."""

    memory_mb: int
    root_gb: int
    ephemeral_gb: int
    swap: int


class ImageMeta(Protocol):
    """nova.objects.ImageMeta."""

    disk_format: str

    def obj_attr_is_set(self, attrname: str) -> bool: ...


class Instance(Protocol):
    """nova.objects.Instance."""

    uuid: str
    host: str
    vm_state: str
    task_state: str | None
    image_ref: str
    kernel_id: str
    ramdisk_id: str
    config_drive: str
    system_metadata: Mapping[str, str]
    flavor: Flavor

    @property
    def image_meta(self) -> ImageMeta: ...


class Migration(Protocol):
    """nova.objects.Migration."""

    id: int
    uuid: str
    instance_uuid: str
    status: str
    migration_type: str
    dest_compute: str
    dest_node: str
    created_at: datetime.datetime
    updated_at: datetime.datetime | None
    disk_total: int
    disk_processed: int
    disk_remaining: int

    def save(self) -> None: ...


class Vif(Protocol):
    """nova.objects.migrate_data.VIFMigrateData."""

    @property
    def profile(self) -> Mapping[str, object]: ...

    def __contains__(self, name: object) -> bool: ...


class MigrateData(Protocol):
    """nova.objects.LibvirtLiveMigrateData."""

    block_migration: bool
    disk_available_mb: int
    disk_over_commit: bool
    filename: str
    image_type: str
    is_shared_instance_path: bool
    migration: Migration
    pci_dev_map_src_dst: Mapping[str, str]
    vifs: Sequence[Vif]

    def obj_attr_is_set(self, attrname: str) -> bool: ...

    def obj_clone(self) -> 'MigrateData': ...

    def __contains__(self, name: object) -> bool: ...


class ImageApi(Protocol):
    """nova.image.glance.API."""

    def get(self, context: Context, id_or_uri: str) -> GlanceImage: ...

    def download(
        self, context: Context, id_or_uri: str
    ) -> Iterable[bytes] | None: ...


class ProviderData(Protocol):
    """nova.compute.provider_tree.ProviderData."""

    inventory: Inventory


class ProviderTree(Protocol):
    """nova.compute.provider_tree.ProviderTree."""

    def data(self, name_or_uuid: str) -> ProviderData: ...


class ComputeNode(Protocol):
    """nova.objects.ComputeNode; read as a primitive only."""


class ResourceTracker(Protocol):
    """nova.compute.resource_tracker.ResourceTracker."""

    compute_nodes: Mapping[str, ComputeNode]
    tracked_instances: Iterable[str]
    tracked_migrations: Iterable[str]

    def free_pci_device_claims_for_instance(
        self, context: Context, instance: Instance
    ) -> None: ...


class NetworkApi(Protocol):
    """nova.network.neutron.API."""

    def setup_networks_on_host(
        self,
        context: Context,
        instance: Instance,
        host: str | None = None,
        teardown: bool = False,
    ) -> None: ...


class Manager(Protocol):
    """nova.compute.manager.ComputeManager."""

    additional_endpoints: list[object]
    network_api: NetworkApi
    rt: ResourceTracker
    _waiting_live_migrations: Mapping[str, object]

    def drop_move_claim_at_destination(
        self, context: Context, instance: Instance
    ) -> None: ...


class VirtApi(Protocol):
    """nova.compute.manager.ComputeVirtAPI; a test's has no manager."""


PostMethod = Callable[
    [
        Context,
        Instance,
        str,
        bool,
        MigrateData,
    ],
    None,
]
"""The manager's ``_post_live_migration``."""
RecoverMethod = Callable[..., None]
"""The manager's ``_rollback_live_migration``."""
