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

from nova import exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import local_disks
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import offload
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.core import identity
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.host import digests as host_digests
from nova_blockmig.host import remembered
from nova_blockmig.host import sparse


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The disks of an instance, with Nova's infos, and how each travels.

    :ivar packed: what goes inline, by the name of the disk.
    :ivar digests: of the bases that are to be compared, by the name of the
        disk.
    """

    infos: list[nova_types.DiskInfo]
    disk_plans: tuple[model.DiskPlan, ...]
    packed: dict[str, content.Packed]
    digests: dict[str, str]
    not_copied: tuple[str, ...]

    def by(self, method: model.TransferMethod) -> tuple[model.DiskPlan, ...]:
        """The disk plans of one kind, in the order of the disks."""
        return tuple(r for r in self.disk_plans if r.method is method)


class PackedBases:
    """What host-generated bases pack to, each packed once.

    The check packs, and so does the migration after it, and the check for
    the next host if there is one.

    :param limit: most compressed bytes of one.
    """

    _KEPT_BYTES = 64 * 1024 * 1024

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known = remembered.Remembered[content.Packed | None](
            self._pack, self._KEPT_BYTES, self._weigh
        )

    def packed(self, disk: model.Disk) -> content.Packed | None:
        """What goes inline of a disk; None if that exceeds the limit.

        :raises errors.SourceUnreadable: it cannot be read.
        """
        path = disk.base.path if disk.base else disk.path
        try:
            if disk.base:
                return self._known.get(path, offload.run, disk.base.key)
            # A config drive holds secrets: not kept any longer than needed.
            return offload.run(_pack, path, self._limit)
        except OSError as exc:
            raise errors.SourceUnreadable(
                disk.name, path, exc.strerror or str(exc)
            ) from exc

    def _pack(self, path: str, key: identity.Key) -> content.Packed | None:
        return _pack(path, self._limit, touched=True, expected=key)

    @staticmethod
    def _weigh(packed: content.Packed | None) -> int:
        return 1024 + (len(packed.data) if packed else 0)


def inspect(
    driver: libvirt_types.Driver,
    policy: model.Policy,
    bases: PackedBases,
    instance: nova_types.Instance,
    block_device_info: nova_types.BlockDeviceInfo,
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
    limit = facts.inline_limit(policy.max_inline_bytes)
    packed = {
        disk.name: bases.packed(disk)
        for disk in disks
        if plan.may_inline(disk, facts)
    }
    digests = {
        disk.name: _digest(disk.name, disk.base)
        for disk in disks
        if disk.base
        and policy.verify_base_images
        and plan.needs_digest(disk, facts)
    }
    disk_plans = plan.disk_plans(
        disks,
        facts,
        {
            name: None if p is None else len(p.data)
            for name, p in packed.items()
        },
        limit,
        digests,
    )
    return Inspection(
        infos=infos,
        disk_plans=disk_plans,
        packed={name: p for name, p in packed.items() if p is not None},
        digests=digests,
        not_copied=local_disks.not_copied(guest_config, disks),
    )


def _digest(disk_name: str, base: model.Base) -> str:
    try:
        return host_digests.CACHE.digest(base.path, offload.run, base.key)
    except OSError as exc:
        raise errors.SourceUnreadable(
            disk_name, base.path, exc.strerror or str(exc)
        ) from exc


def _pack(
    path: str,
    limit: int,
    touched: bool = False,
    expected: identity.Key | None = None,
) -> content.Packed | None:
    """What goes inline of a file; None if that exceeds the limit."""
    use = functools.partial(content.pack, limit=limit)
    try:
        return sparse.read(path, use, touched, expected)
    except content.TooLarge:
        return None
