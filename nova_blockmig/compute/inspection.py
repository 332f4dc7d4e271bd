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

"""The local disks of an instance, and how each will be transferred."""

import dataclasses
import functools
from typing import Any

from nova import exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_blockmig.compute import local_disks
from nova_blockmig.compute import offload
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.host import sparse


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The disks of an instance, with Nova's infos, and how each travels."""

    infos: list[dict[str, Any]]
    disk_plans: tuple[model.DiskPlan, ...]
    packed: dict[str, content.Packed]
    not_copied: tuple[str, ...]

    def by(self, method: model.TransferMethod) -> tuple[model.DiskPlan, ...]:
        """The disk plans of one kind, in the order of the disks."""
        return tuple(r for r in self.disk_plans if r.method is method)


def inspect(
    driver: Any,
    policy: model.Policy,
    instance: Any,
    block_device_info: Any,
    facts: plan.Facts,
) -> Inspection:
    """Find out how each local disk of a running instance is transferred.

    Reads every disk that may go inline; the service's loop goes on meanwhile.

    :raises InstanceNotFound: libvirt does not know the instance.
    :raises errors.SourceUnreadable: a disk or its base cannot be read.
    """
    try:
        guest_config = driver._host.get_guest(instance).get_config()
    except libvirt_driver.libvirt.libvirtError as exc:
        # What Nova's own disk info makes of it.
        raise exception.InstanceNotFound(instance_id=instance.uuid) from exc
    infos = driver._get_instance_disk_info_from_config(
        guest_config, block_device_info
    )
    disks = local_disks.local_disks(instance, guest_config, infos)
    packed = {
        disk.name: offload.run(_pack, disk, policy.max_inline_bytes)
        for disk in disks
        if plan.may_inline(disk, facts)
    }
    disk_plans = plan.disk_plans(
        disks,
        facts,
        {
            name: None if p is None else len(p.data)
            for name, p in packed.items()
        },
        policy.max_inline_bytes,
    )
    return Inspection(
        infos=infos,
        disk_plans=disk_plans,
        packed={name: p for name, p in packed.items() if p is not None},
        not_copied=local_disks.not_copied(guest_config, disks),
    )


def _pack(disk: model.Disk, limit: int) -> content.Packed | None:
    """What goes inline of a disk; None if that exceeds the limit."""
    path = disk.base.path if disk.base else disk.path
    try:
        return sparse.read(
            path,
            functools.partial(content.pack, limit=limit),
        )
    except content.TooLarge:
        return None
    except OSError as exc:
        raise errors.SourceUnreadable(
            disk.name, path, exc.strerror or str(exc)
        ) from exc
