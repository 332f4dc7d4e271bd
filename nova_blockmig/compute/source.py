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

"""What the source host of a block migration does, named after Nova's hooks."""

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import functools
from typing import Any

from nova import exception
import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_blockmig.compute import flatten
from nova_blockmig.compute import images_type
from nova_blockmig.compute import inventory
from nova_blockmig.compute import offload
from nova_blockmig.compute import paused
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.core import marks
from nova_blockmig.core import model
from nova_blockmig.core import payload
from nova_blockmig.core import plan
from nova_blockmig.host import digests
from nova_blockmig.host import files
from nova_blockmig.host import sparse

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The disks of an instance, with Nova's infos, and how each travels."""

    infos: list[dict[str, Any]]
    routes: tuple[model.Route, ...]
    packed: dict[str, content.Packed]
    not_copied: tuple[str, ...]

    def by(self, travel: model.Travel) -> tuple[model.Route, ...]:
        """The routes of one kind, in the order of the disks."""
        return tuple(r for r in self.routes if r.travel is travel)


class Source:
    """The source's part of a block migration.

    What the pre-check learned of a destination is kept in memory until the
    migration starts. If nova-compute restarts between the two, the
    destination counts as stock, which is right for both kinds: the disks
    are flattened rather than carried.
    """

    def __init__(self, driver: Any, policy: model.Policy) -> None:
        self._driver = driver
        self._policy = policy
        self._facts: dict[str, plan.Facts] = {}

    def check(
        self, context: Any, instance: Any, data: Any, block_device_info: Any
    ) -> Inspection:
        """Find out whether every disk can travel. Changes nothing.

        :param data: the migrate data after Nova's own checks; the source's
            mark is put on its filename.
        :returns: the routes of the disks, for the resource check.
        :raises MigrationPreCheckError: it cannot, and why.
        """
        self._facts.pop(instance.uuid, None)
        try:
            mark = self._destination_mark(data)
            facts = plan.Facts(
                destination=plan.Peer.OURS if mark else plan.Peer.STOCK,
                image_available=self._image_available(context, instance),
                full_copy=self._full_copy,
            )
            inspection = self._inspect(instance, block_device_info, facts)
            self._assert_can_travel(instance, inspection)
            paused.assert_may_move(
                self._driver, context, instance, inspection.not_copied
            )
            self._assert_room_to_flatten(inspection)
        except errors.Refused as exc:
            raise exception.MigrationPreCheckError(reason=str(exc)) from exc
        self._facts[instance.uuid] = facts
        if mark:
            data.filename = marks.mark_source(data.filename, payload.VERSION)
        return inspection

    def disk_info(
        self,
        instance: Any,
        block_device_info: Any,
        aborted: Callable[[], bool],
    ) -> list[dict[str, Any]]:
        """Nova's disk info, with what travels inside it.

        Flattens what has to be; the caller's thread waits for it.

        :raises MigrationError: a disk cannot travel after all, or could not
            be flattened. The guest goes on running here.
        """
        facts = self._facts.pop(
            instance.uuid,
            plan.Facts(destination=plan.Peer.STOCK, full_copy=self._full_copy),
        )
        try:
            inspection = self._inspect(instance, block_device_info, facts)
            self._assert_can_travel(instance, inspection)
            self._flatten(instance, inspection, aborted)
            infos = inspection.infos
            if inspection.by(model.Travel.FLATTEN):
                infos = self._driver._get_instance_disk_info(
                    instance, block_device_info
                )
            if facts.destination is plan.Peer.OURS:
                self._annotate(infos, inspection)
        except errors.Refused as exc:
            raise exception.MigrationError(reason=str(exc)) from exc
        return list(infos)

    @property
    def _full_copy(self) -> bool:
        # libvirt's stable ABI; Nova's fake libvirt does not have the name.
        non_shared_disk = 64
        return bool(self._driver._block_migration_flags & non_shared_disk)

    def _destination_mark(self, data: Any) -> marks.DestinationMark | None:
        mark = marks.read_destination(data.filename)
        if mark is not None and mark.version != payload.VERSION:
            raise errors.VersionDiffers(
                payload.VERSION, mark.version, 'destination'
            )
        theirs = mark.images_type if mark else images_type.of_stock(data)
        ours = images_type.effective()
        if theirs is not None and theirs != ours:
            raise errors.ImagesTypeDiffers(CONF.host, ours, theirs)
        return mark

    def _image_available(self, context: Any, instance: Any) -> bool:
        if not instance.image_ref:
            return True
        try:
            image = self._driver._image_api.get(context, instance.image_ref)
        except (
            exception.ImageNotFound,
            exception.ImageNotAuthorized,
            exception.Forbidden,
        ):
            return False
        return bool(image.get('status', 'active') == 'active')

    def _inspect(
        self, instance: Any, block_device_info: Any, facts: plan.Facts
    ) -> Inspection:
        try:
            guest_config = self._driver._host.get_guest(instance).get_config()
        except libvirt_driver.libvirt.libvirtError as exc:
            # What Nova's own disk info makes of it.
            raise exception.InstanceNotFound(
                instance_id=instance.uuid
            ) from exc
        infos = self._driver._get_instance_disk_info_from_config(
            guest_config, block_device_info
        )
        disks = inventory.local_disks(instance, guest_config, infos)
        packed = {
            disk.name: offload.run(self._pack, disk)
            for disk in disks
            if plan.may_carry(disk, facts)
        }
        routes = plan.routes(
            disks,
            facts,
            {
                name: None if p is None else len(p.data)
                for name, p in packed.items()
            },
            self._policy.max_carried_bytes,
        )
        return Inspection(
            infos=infos,
            routes=routes,
            packed={name: p for name, p in packed.items() if p is not None},
            not_copied=inventory.not_copied(guest_config, disks),
        )

    def _pack(self, disk: model.Disk) -> content.Packed | None:
        """What has to be carried of a disk; None if it is too large."""
        path = disk.base.path if disk.base else disk.path
        try:
            return sparse.read(
                path,
                functools.partial(
                    content.pack, limit=self._policy.max_carried_bytes
                ),
            )
        except content.TooLarge:
            return None
        except OSError as exc:
            raise errors.SourceUnreadable(
                disk.name, path, exc.strerror or str(exc)
            ) from exc

    def _assert_can_travel(
        self, instance: Any, inspection: Inspection
    ) -> None:
        refused = inspection.by(model.Travel.REFUSE)
        if refused:
            raise errors.DisksCannotTravel(CONF.host, refused)
        LOG.debug(
            'How the disks travel: %s',
            ', '.join(
                f'{r.disk.name}: {r.travel.value} ({r.reason})'
                for r in inspection.routes
            ),
            instance=instance,
        )

    def _assert_room_to_flatten(self, inspection: Inspection) -> None:
        flattened = [r.disk for r in inspection.by(model.Travel.FLATTEN)]
        need = added_bytes(flattened)
        free = files.free_bytes(CONF.instances_path)
        if need > free:
            raise errors.NoRoomToFlatten(
                CONF.instances_path, [d.name for d in flattened], need, free
            )

    def _flatten(
        self,
        instance: Any,
        inspection: Inspection,
        aborted: Callable[[], bool],
    ) -> None:
        routes = inspection.by(model.Travel.FLATTEN)
        if not routes:
            return
        self._assert_room_to_flatten(inspection)
        guest = self._driver._host.get_guest(instance)
        for route in routes:
            flatten.flatten(instance, guest, route.disk, route.reason, aborted)

    def _annotate(
        self, infos: list[dict[str, Any]], inspection: Inspection
    ) -> None:
        routes = {route.disk.path: route for route in inspection.routes}
        for info in infos:
            if route := routes.get(info['path']):
                note = self._note(route, inspection)
                info[payload.KEY] = note.to_json()

    def _note(
        self, route: model.Route, inspection: Inspection
    ) -> payload.Note:
        match route.travel:
            case model.Travel.CARRY:
                packed = inspection.packed[route.disk.name]
                return payload.Note(model.Travel.CARRY, packed=packed)
            case model.Travel.FETCH:
                return payload.Note(
                    model.Travel.FETCH, digest=self._base_digest(route.disk)
                )
            case _:
                return payload.Note(model.Travel.COPY)

    def _base_digest(self, disk: model.Disk) -> str | None:
        if not self._policy.verify_base_images or disk.base is None:
            return None
        try:
            return digests.CACHE.digest(disk.base.path, offload.run)
        except OSError as exc:
            raise errors.SourceUnreadable(
                disk.name, disk.base.path, exc.strerror or str(exc)
            ) from exc


def added_bytes(disks: Sequence[model.Disk]) -> int:
    """Most bytes that flattening adds to the overlays.

    The allocation of the base is the bound: block-stream copies what is
    allocated there, in whole clusters.
    """
    return sum(
        files.allocated_bytes(disk.base.path) for disk in disks if disk.base
    )
