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

"""What the source host of a block migration does, step by step."""

from collections.abc import Callable

from nova import exception
import nova.conf
from oslo_log import log as logging

from nova_blockmig.compute import agreement
from nova_blockmig.compute import annotations
from nova_blockmig.compute import ending
from nova_blockmig.compute import flatten
from nova_blockmig.compute import image_data
from nova_blockmig.compute import images_type
from nova_blockmig.compute import inspection
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import obstacles
from nova_blockmig.compute import paused_guests
from nova_blockmig.compute import record
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
    destination counts as one with the in-tree driver, which is right for
    both kinds: the disks are flattened rather than sent inline.

    :ivar records: of the migrations that leave this host.
    """

    def __init__(
        self, driver: libvirt_types.Driver, policy: model.Policy
    ) -> None:
        self._driver = driver
        self._policy = policy
        self._bases = inspection.PackedBases(policy.max_inline_bytes)
        self._agreed: dict[str, agreement.Agreement] = {}
        self.records = record.Records()
        self._stopping = False

    def stop(self) -> None:
        """The service ends: what a migration waits for here ends as well."""
        self._stopping = True

    def check(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        data: nova_types.MigrateData,
        block_device_info: nova_types.BlockDeviceInfo,
    ) -> agreement.Checked:
        """Find out whether every disk can travel.

        Neither the instance nor ``data`` is changed; what was learned of the
        destination is remembered until :meth:`disk_info`.

        :param data: the migrate data after Nova's own checks.
        :raises MigrationPreCheckError: it cannot, and why.
        """
        self._agreed.pop(instance.uuid, None)
        try:
            peer = agreement.peer(data)
            facts = self._facts(context, instance, peer)
            found = self._inspect(instance, block_device_info, facts)
            self.assert_may_leave(context, instance, found)
            obstacles.assert_machine_type(self._driver, instance, peer)
        except errors.Refused as exc:
            raise exception.MigrationPreCheckError(reason=str(exc)) from exc
        self._agreed[instance.uuid] = agreement.Agreement(facts, peer)
        return agreement.Checked(
            inspection=found,
            destination=plan.Peer.BLOCKMIG if peer else plan.Peer.IN_TREE,
            filename=agreement.marked(data.filename, peer),
        )

    def look(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo,
        *,
        in_tree: bool = False,
    ) -> inspection.Inspection:
        """What a destination would be sent.

        :param in_tree: whether it runs the in-tree driver; else this one.
        """
        peer = None
        if not in_tree:
            peer = handshake.PeerInfo(
                handshake.NEWEST, images_type.effective()
            )
        token = bool(context.auth_token)  # Glance answers nobody without one
        facts = self._facts(context, instance, peer, ask=token)
        return self._inspect(instance, block_device_info, facts)

    def disk_info(
        self,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo,
        aborted: Callable[[], bool],
    ) -> list[nova_types.DiskInfo]:
        """Nova's disk info, with what travels inside it.

        Flattens what has to be; the caller's thread waits for it.

        :returns: nothing if the migration was aborted meanwhile: Nova finds
            that out as soon as the destination has prepared what it is sent,
            rolls back, and has the migration cancelled. If it were raised
            here, Nova would take it for one that has failed.
        :raises MigrationError: a disk cannot travel after all, or could not
            be flattened. The guest goes on running here.
        """
        try:
            infos = self._disk_info(instance, block_device_info, aborted)
        except errors.Refused as exc:
            if not self._cancelled(aborted):
                ending.report_preparation(instance, str(exc))
                raise exception.MigrationError(reason=str(exc)) from exc
            LOG.info('%s', exc, instance=instance)
        return [] if self._cancelled(aborted) else infos

    def _cancelled(self, aborted: Callable[[], bool]) -> bool:
        # A service that ends forgets its migrations: no abort either.
        return aborted() and not self._stopping

    def _disk_info(
        self,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo,
        aborted: Callable[[], bool],
    ) -> list[nova_types.DiskInfo]:
        agreed = self._agreed.pop(
            instance.uuid,
            agreement.Agreement(
                plan.Facts(
                    destination=plan.Peer.IN_TREE, full_copy=self._full_copy
                )
            ),
        )
        found = self._inspect(instance, block_device_info, agreed.facts)
        self._assert_can_migrate(instance, found)
        flattened = self._flatten(instance, found, aborted)
        infos = found.infos
        if found.by(model.TransferMethod.FLATTEN):
            infos = self._driver._get_instance_disk_info(
                instance, block_device_info
            )
        if agreed.peer and agreed.facts.destination is plan.Peer.BLOCKMIG:
            infos = annotations.annotated(instance, infos, found, agreed.peer)
        self.records.prepared(
            instance, record.Transfer(found.disk_plans, flattened)
        )
        return list(infos)

    def _facts(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        peer: handshake.PeerInfo | None,
        *,
        ask: bool = True,
    ) -> plan.Facts:
        destination = agreement.driver_of(peer)
        there = None
        if peer and destination is plan.Peer.BLOCKMIG:
            there = peer.base_digest
        return plan.Facts(
            destination=destination,
            # A base that is there already needs no Glance.
            image_available=there is not None
            or not ask
            or image_data.available(
                self._driver._image_api, context, instance
            ),
            destination_digest=there,
            full_copy=self._full_copy,
            max_inline_bytes=peer.max_inline_bytes if peer else None,
        )

    @property
    def _full_copy(self) -> bool:
        # libvirt's stable ABI; Nova's fake libvirt does not have the name.
        non_shared_disk = 64
        return bool(self._driver._block_migration_flags & non_shared_disk)

    def _inspect(
        self,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo,
        facts: plan.Facts,
    ) -> inspection.Inspection:
        return inspection.inspect(
            self._driver, self._policy, self._bases, instance,
            block_device_info, facts,
        )  # fmt: skip

    def assert_may_leave(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        found: inspection.Inspection,
    ) -> None:
        """Raise what keeps it here, whatever the destination has."""
        self._assert_can_migrate(instance, found)
        obstacles.assert_none(
            self._driver._host.get_guest(instance),
            [disk_plan.disk for disk_plan in found.disk_plans],
        )
        paused_guests.assert_may_move(
            self._driver, context, instance, found.not_copied
        )
        self._assert_space_to_flatten(found)

    def _assert_can_migrate(
        self, instance: nova_types.Instance, found: inspection.Inspection
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
        instance: nova_types.Instance,
        found: inspection.Inspection,
        aborted: Callable[[], bool],
    ) -> core_progress.Progress:
        def interrupted() -> str | None:
            if self._stopping:
                return 'nova-compute is being stopped'
            return 'the migration was aborted' if aborted() else None

        disk_plans = found.by(model.TransferMethod.FLATTEN)
        if disk_plans:
            self._assert_space_to_flatten(found)
        return flatten.flatten_all(
            self._driver, instance, disk_plans, interrupted
        )
