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
from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
from typing import Any

from nova import exception
import nova.conf
from oslo_log import log as logging

from nova_blockmig.compute import flatten
from nova_blockmig.compute import images_type
from nova_blockmig.compute import inspection
from nova_blockmig.compute import known_versions
from nova_blockmig.compute import paused_guests
from nova_blockmig.compute import progress
from nova_blockmig.compute import record
from nova_blockmig.core import annotation
from nova_blockmig.core import errors
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.core import progress as core_progress
from nova_blockmig.host import files

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


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
        self._bases = inspection.PackedBases(policy.max_inline_bytes)
        self._facts: dict[str, plan.Facts] = {}
        self._transfers: dict[str, record.Transfer] = {}

    def check(
        self, context: Any, instance: Any, data: Any, block_device_info: Any
    ) -> inspection.Inspection:
        """Find out whether every disk can travel. Changes nothing.

        :param data: the migrate data after Nova's own checks; the source's
            mark is put on its filename.
        :returns: the plan of each disk, for the resource check.
        :raises MigrationPreCheckError: it cannot, and why.
        """
        self._facts.pop(instance.uuid, None)
        try:
            mark = self._destination_mark(data)
            facts = plan.Facts(
                destination=plan.Peer.BLOCKMIG if mark else plan.Peer.IN_TREE,
                image_available=self._image_available(context, instance),
                full_copy=self._full_copy,
            )
            found = self._inspect(instance, block_device_info, facts)
            self._assert_can_migrate(instance, found)
            paused_guests.assert_may_move(
                self._driver, context, instance, found.not_copied
            )
            self._assert_space_to_flatten(found)
        except errors.Refused as exc:
            raise exception.MigrationPreCheckError(reason=str(exc)) from exc
        self._facts[instance.uuid] = facts
        if mark:
            data.filename = handshake.mark_source(
                data.filename, annotation.VERSION
            )
        return found

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
            plan.Facts(
                destination=plan.Peer.IN_TREE, full_copy=self._full_copy
            ),
        )
        try:
            found = self._inspect(instance, block_device_info, facts)
            self._assert_can_migrate(instance, found)
            flattened = self._flatten(instance, found, aborted)
            infos = found.infos
            if found.by(model.TransferMethod.FLATTEN):
                infos = self._driver._get_instance_disk_info(
                    instance, block_device_info
                )
            if facts.destination is plan.Peer.BLOCKMIG:
                self._annotate(infos, found)
        except errors.Refused as exc:
            raise exception.MigrationError(reason=str(exc)) from exc
        self._transfers[instance.uuid] = record.Transfer(
            found.disk_plans, flattened
        )
        return list(infos)

    @contextlib.contextmanager
    def watching(
        self,
        instance: Any,
        destination: str,
        guest: Any,
        disk_paths: Iterable[str],
        migrate_data: Any,
    ) -> Iterator[progress.MonitoredGuest]:
        """Give Nova's monitor a guest that tells the bytes of its disks.

        :param disk_paths: files of the disks that libvirt copies.
        """
        transfer = self._transfers.pop(instance.uuid, record.Transfer())
        watched = progress.MonitoredGuest(
            instance, guest, disk_paths, transfer.flattened
        )
        with record.recorded(
            instance, destination, watched, migrate_data.migration, transfer
        ):
            yield watched

    @property
    def _full_copy(self) -> bool:
        # libvirt's stable ABI; Nova's fake libvirt does not have the name.
        non_shared_disk = 64
        return bool(self._driver._block_migration_flags & non_shared_disk)

    def _destination_mark(self, data: Any) -> handshake.PeerInfo | None:
        mark = handshake.read_destination(data.filename)
        if mark is not None and mark.version != annotation.VERSION:
            raise errors.VersionDiffers(
                annotation.VERSION, mark.version, 'destination'
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
        except Exception as exc:
            # Whatever its client raises: the disk can travel without Glance.
            LOG.warning(
                'Glance does not say whether image %(image)s is available: '
                '%(reason)s',
                {'image': instance.image_ref, 'reason': exc},
                instance=instance,
            )
            return False
        return bool(image.get('status', 'active') == 'active')

    def _inspect(
        self, instance: Any, block_device_info: Any, facts: plan.Facts
    ) -> inspection.Inspection:
        return inspection.inspect(
            self._driver,
            self._policy,
            self._bases,
            instance,
            block_device_info,
            facts,
        )

    def _assert_can_migrate(
        self, instance: Any, found: inspection.Inspection
    ) -> None:
        refused = found.by(model.TransferMethod.REFUSE)
        if refused:
            raise errors.DisksCannotMigrate(CONF.host, refused)
        LOG.debug(
            'Disk transfer methods: %s',
            ', '.join(
                f'{r.disk.name}: {r.method.value} ({r.reason})'
                for r in found.disk_plans
            ),
            instance=instance,
        )

    def _assert_space_to_flatten(self, found: inspection.Inspection) -> None:
        flattened = [r.disk for r in found.by(model.TransferMethod.FLATTEN)]
        need = sum(d.base.added_bytes for d in flattened if d.base)
        free = files.free_bytes(CONF.instances_path)
        if need > free:
            raise errors.NoSpaceToFlatten(
                CONF.instances_path, [d.name for d in flattened], need, free
            )

    def _flatten(
        self,
        instance: Any,
        found: inspection.Inspection,
        aborted: Callable[[], bool],
    ) -> core_progress.Progress:
        report = progress.FlattenProgress(instance)
        disk_plans = found.by(model.TransferMethod.FLATTEN)
        if not disk_plans:
            return report.shown
        self._assert_space_to_flatten(found)
        known_versions.warn_of_flattening(self._driver._host, instance)
        guest = self._driver._host.get_guest(instance)
        for disk_plan in disk_plans:
            flatten.flatten(
                instance,
                guest,
                disk_plan.disk,
                disk_plan.reason,
                aborted,
                report.update,
            )
            report.disk_done()
        return report.shown

    def _annotate(
        self, infos: list[dict[str, Any]], found: inspection.Inspection
    ) -> None:
        disk_plans = {
            disk_plan.disk.path: disk_plan for disk_plan in found.disk_plans
        }
        for info in infos:
            if disk_plan := disk_plans.get(info['path']):
                note = self._note(disk_plan, found)
                info[annotation.KEY] = note.to_json()

    def _note(
        self, disk_plan: model.DiskPlan, found: inspection.Inspection
    ) -> annotation.DiskAnnotation:
        match disk_plan.method:
            case model.TransferMethod.INLINE:
                packed = found.packed[disk_plan.disk.name]
                return annotation.DiskAnnotation(
                    model.TransferMethod.INLINE, packed=packed
                )
            case model.TransferMethod.FETCH:
                return annotation.DiskAnnotation(
                    model.TransferMethod.FETCH,
                    digest=found.digests.get(disk_plan.disk.name),
                )
            case _:
                return annotation.DiskAnnotation(model.TransferMethod.COPY)
