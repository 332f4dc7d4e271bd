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

"""Answers of nova-compute to whoever asks beforehand.

An endpoint of its own beside the compute manager's, in a namespace of its
own: a nova-compute with the in-tree driver does not have it. Nothing is made,
reserved, claimed or written down for an answer.
"""

from collections.abc import Mapping

from nova import objects
import nova.conf
from nova.objects import base as objects_base
from nova.virt import driver as virt_driver
from nova.virt.libvirt import driver as libvirt_driver
import oslo_messaging as messaging

from nova_blockmig import version
from nova_blockmig.compute import flags
from nova_blockmig.compute import host_facts
from nova_blockmig.compute import images_type
from nova_blockmig.compute import inspection
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova as nova_compute
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import obstacles
from nova_blockmig.compute import resource_check
from nova_blockmig.compute import source
from nova_blockmig.core import capacity
from nova_blockmig.core import content
from nova_blockmig.core import dry_run
from nova_blockmig.core import errors
from nova_blockmig.core import flags as core_flags
from nova_blockmig.core import known_bad
from nova_blockmig.core import model
from nova_blockmig.host import disk_map

CONF = nova.conf.CONF

NAMESPACE = 'nova_blockmig'
VERSION = '1.2'
"""1.1 has describe_host; 1.2 in_tree of describe_source, and versions."""
# What the resource check reads of a compute_nodes record.
COLUMNS = (
    'memory_mb',
    'memory_mb_used',
    'free_ram_mb',
    'ram_allocation_ratio',
    'local_gb',
    'local_gb_used',
    'disk_allocation_ratio',
    'disk_available_least',
)


def register(virtapi: nova_types.VirtApi, endpoint: 'Endpoint') -> None:
    """Let the service answer; before its RPC server is started.

    nova.service.Service.start calls init_host first and looks at the
    manager's endpoints afterwards.
    """
    manager = nova_compute.manager(virtapi)
    if manager is not None:
        manager.additional_endpoints.append(endpoint)


class Endpoint:
    """The methods that can be called over the message bus."""

    target = messaging.Target(namespace=NAMESPACE, version=VERSION)

    def __init__(
        self,
        driver: libvirt_types.Driver,
        check: resource_check.ResourceCheck,
        source: source.Source,
    ) -> None:
        self._driver = driver
        self._check: resource_check.ResourceCheck = check
        self._source = source

    def check_destination(
        self,
        ctxt: nova_types.Context,
        instance_uuid: str,
        disk_over_commit: bool | None,
    ) -> dict[str, object]:
        """A dry_run.Destination: what this host has for the instance."""
        instance = _instance(ctxt, instance_uuid)
        node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
            ctxt, CONF.host
        )
        row = objects_base.obj_to_primitive(node)
        found = self._check.evaluate(ctxt, instance, row, disk_over_commit)
        return dry_run.Destination(
            host=CONF.host,
            version=version.package_version(),
            images_type=images_type.effective(),
            over_commit=found.mode,
            rows=found.outcome.rows,
            disk=found.disk,
            flags=self._flags(),
            record={column: row.get(column) for column in COLUMNS},
            versions=self._versions(),
        ).to_plain()

    def describe_source(
        self,
        ctxt: nova_types.Context,
        instance_uuid: str,
        in_tree: bool = False,
    ) -> dict[str, object]:
        """A dry_run.Source: how the instance would leave this host.

        :param in_tree: whether for a destination with the in-tree driver.
        """
        instance = _instance(ctxt, instance_uuid)
        bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(
            ctxt, instance_uuid
        )
        disks: tuple[dry_run.Disk, ...] = ()
        refusal = ''
        try:
            found = self._source.look(
                ctxt,
                instance,
                virt_driver.get_block_device_info(instance, bdms),
                in_tree=in_tree,
            )
            disks = _disks(found)
            self._source.assert_may_leave(ctxt, instance, found)
        except errors.Refused as exc:
            refusal = str(exc)
        return dry_run.Source(
            host=CONF.host,
            version=version.package_version(),
            images_type=images_type.effective(),
            flags=self._flags(),
            disks=disks,
            refusal=refusal,
            versions=self._versions(),
            machine_type=obstacles.machine(self._driver, instance),
        ).to_plain()

    def describe_host(self, ctxt: nova_types.Context) -> dict[str, object]:
        """A host_facts.HostFacts: what another host compares with its own."""
        return host_facts.here().to_plain()

    def _versions(self) -> dict[str, int]:
        connection = self._driver._host.get_connection()
        return {
            known_bad.Product.LIBVIRT.value: connection.getLibVersion(),
            known_bad.Product.QEMU.value: connection.getVersion(),
        }

    def _flags(self) -> tuple[str, ...]:
        return core_flags.describe(
            self._driver._block_migration_flags,
            flags.known(libvirt_driver.libvirt),
        )


def _instance(
    ctxt: nova_types.Context, instance_uuid: str
) -> nova_types.Instance:
    # Of any project.
    instance: nova_types.Instance = objects.Instance.get_by_uuid(
        ctxt.elevated(),
        instance_uuid,
        expected_attrs=['flavor', 'system_metadata'],
    )
    return instance


def _disks(found: inspection.Inspection) -> tuple[dry_run.Disk, ...]:
    needs = resource_check.disk_needs(found.disk_plans)
    return tuple(
        _disk(disk_plan, need, found.packed)
        for disk_plan, need in zip(found.disk_plans, needs, strict=True)
    )


def _disk(
    disk_plan: model.DiskPlan,
    need: capacity.DiskNeed,
    packed: Mapping[str, content.Packed],
) -> dry_run.Disk:
    disk = disk_plan.disk
    inline = packed.get(disk.name)
    counted, data = _copied(disk_plan)
    return dry_run.Disk(
        name=disk.name,
        format=disk.format,
        virtual_bytes=disk.virtual_bytes,
        allocated_bytes=disk.allocated_bytes,
        added_bytes=need.added_bytes,
        backing_file=disk.base.path if disk.base else None,
        method=disk_plan.method.value,
        reason=disk_plan.reason,
        inline_bytes=len(inline.data) if inline else 0,
        counted_bytes=counted,
        data_bytes=data,
    )


def _copied(disk_plan: model.DiskPlan) -> tuple[int | None, int | None]:
    """What libvirt will count of a disk, and what of that is data."""
    disk = disk_plan.disk
    if not disk.file or disk.read_only:
        return None, None
    found = disk_map.look(disk.path, disk.format)
    if found is None:
        return None, None
    return found.copied(disk_plan.method)
