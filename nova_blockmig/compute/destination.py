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

"""What the destination of a block migration does, step by step."""

from collections.abc import Iterator
import contextlib
import dataclasses
import os

from nova import exception
import nova.conf
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging
from oslo_utils import excutils
from oslo_utils import fileutils

from nova_blockmig.compute import arriving_disks
from nova_blockmig.compute import directory
from nova_blockmig.compute import host_generated
from nova_blockmig.compute import image_cache
from nova_blockmig.compute import images_type
from nova_blockmig.compute import inline_disks
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.core import annotation
from nova_blockmig.core import arriving
from nova_blockmig.core import errors
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.host import sealing

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What is left for Nova after our disks were made.

    :ivar disk_info: Nova's list; a disk that stands alone has no backing
        file in it any more.
    :ivar notes: what the source said of each, in the same order.
    """

    disk_info: list[nova_types.DiskInfo]
    notes: tuple[annotation.DiskAnnotation | None, ...]


class Destination:
    """The destination's part of a block migration."""

    def __init__(
        self, driver: libvirt_types.Driver, policy: model.Policy
    ) -> None:
        self._driver = driver
        self._policy = policy
        # Inline content is encrypted for this process; see host/sealing.py.
        self._keys = sealing.KeyPair()
        self._test_files: dict[str, str] = {}
        self._not_ours: set[str] = set()
        self._migrations: dict[str, str | None] = {}

    def read_ahead(self, instance: nova_types.Instance) -> None:
        """Begin with what takes long: a block migration is asked for."""
        if self._policy.verify_base_images:
            image_cache.read_ahead(instance)

    def mark_test_file(
        self, instance: nova_types.Instance, filename: str
    ) -> str:
        """Rename the shared storage test file so that it bears our mark."""
        name = handshake.mark_destination(
            filename,
            handshake.PeerInfo(
                version=handshake.NEWEST,
                images_type=images_type.effective(),
                public_key=self._keys.public_key,
                max_inline_bytes=self._policy.max_inline_bytes,
                base_digest=self._known_digest(instance),
                qemu_version=self._driver._host.get_connection().getVersion(),
            ),
        )
        path = os.path.join(CONF.instances_path, name)
        os.replace(os.path.join(CONF.instances_path, filename), path)
        self._test_files[instance.uuid] = path
        return name

    @contextlib.contextmanager
    def removing_test_file_on_error(
        self, instance: nova_types.Instance
    ) -> Iterator[None]:
        """Remove the test file of a check that fails after it was made.

        Nova's manager removes it only if the driver's check returned.
        """
        try:
            yield
        except Exception:
            with excutils.save_and_reraise_exception():
                if path := self._test_files.get(instance.uuid):
                    fileutils.delete_if_exists(path)
        finally:
            self._test_files.pop(instance.uuid, None)

    def check_source(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        data: nova_types.MigrateData,
        migration: nova_types.Migration,
    ) -> None:
        """Refuse what would lose data or overwrite a directory.

        What an earlier migration of ours left half-made is removed.

        :param data: the migrate data that the source handed back.
        :param migration: Nova's record of this migration.
        :raises MigrationPreCheckError: with the reason.
        """
        if not ('block_migration' in data and data.block_migration):
            return
        if 'is_shared_instance_path' not in data:
            return  # No source has checked anything yet.
        self._migrations[instance.uuid] = migration.uuid
        try:
            self._assert_source_is_safe(context, instance, data)
            path = directory.existing(instance, data)
            if path and not directory.clear(
                self._driver, context, instance, migration, path
            ):
                raise errors.DirectoryExists(path, CONF.host)
        except errors.Refused as exc:
            raise exception.MigrationPreCheckError(reason=str(exc)) from exc
        self.read_ahead(instance)

    def expect(
        self,
        instance: nova_types.Instance,
        data: nova_types.MigrateData,
        disk_info: str | None,
    ) -> None:
        """Remember a directory that was here before the migration.

        Nova raises DestinationDiskExists for it in pre_live_migration, and
        then would remove it in the rollback. :meth:`check_source` refuses
        earlier; this is for one that came in between.

        :param disk_info: JSON, of which Nova reads names and formats first.
        :raises MigrationError: it is not a list of disks.
        """
        self._not_ours.discard(instance.uuid)
        if directory.existing(instance, data):
            self._not_ours.add(instance.uuid)
        try:
            arriving.assert_readable(disk_info)
        except errors.Refused as exc:
            raise exception.MigrationError(reason=str(exc)) from exc

    def must_keep_directory(self, instance: nova_types.Instance) -> bool:
        """Whether the rollback has to leave the directory; asked once."""
        if instance.uuid not in self._not_ours:
            return False
        self._not_ours.discard(instance.uuid)
        return True

    def prepare(
        self,
        instance: nova_types.Instance,
        instance_dir: str,
        disk_info: list[nova_types.DiskInfo] | None,
        source: str | None,
    ) -> Prepared:
        """Make the disks whose content came with the disk info.

        Every disk of a migration is checked first, as if there had been no
        pre-check.

        :param source: host that the instance comes from; None if this is no
            migration (hard reboot).
        :returns: what Nova is to do the rest with.
        :raises MigrationError: a disk cannot be made as it has to be. Nova's
            rollback removes the directory.
        """
        if source is None:
            infos = list(disk_info or ())
            return Prepared(disk_info=infos, notes=(None,) * len(infos))
        try:
            migration = self._migrations.pop(instance.uuid, None)
            directory.mark(instance_dir, instance, source, migration)
            disks = arriving_disks.accept(
                instance,
                disk_info or (),
                source,
                self._keys,
                self._policy.max_inline_bytes,
            )
            for disk in disks:
                if disk.packed is not None:
                    inline_disks.make(
                        instance, instance_dir, disk.info, disk.packed
                    )
        except errors.Refused as exc:
            raise exception.MigrationError(reason=str(exc)) from exc
        return Prepared(
            disk_info=[disk.info for disk in disks],
            notes=tuple(disk.annotation for disk in disks),
        )

    def verify(
        self,
        instance: nova_types.Instance,
        instance_dir: str,
        prepared: Prepared,
    ) -> None:
        """Compare every fetched base with the source's, and finish the rest.

        :raises MigrationError: a base differs, or cannot be read.
        """
        try:
            for info, note in zip(
                prepared.disk_info, prepared.notes, strict=True
            ):
                if note is None:
                    continue
                if note.method is not model.TransferMethod.FETCH:
                    self._finish(instance, instance_dir, info, note)
                elif note.digest:
                    image_cache.verify(instance, info, note.digest)
        except errors.Refused as exc:
            raise exception.MigrationError(reason=str(exc)) from exc

    def arrived(
        self,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo,
        asked_for: bool | None,
    ) -> None:
        """The guest runs here: nothing is raised.

        Preallocates again what libvirt's copy has given back: QEMU writes
        the zeroes of a raw disk as holes, into a file that was preallocated
        as well.

        :param asked_for: block migration; None if Nova had to find out.
        """
        try:
            ours = directory.unmark(libvirt_utils.get_instance_path(instance))
            if not (asked_for or ours) or not inline_disks.preallocates():
                return
            for info in self._driver._get_instance_disk_info(
                instance, block_device_info
            ):
                inline_disks.preallocate(os.path.dirname(info['path']), info)
        except (exception.NovaException, OSError) as exc:
            LOG.warning(
                'Unable to finish the disks of the migration: %s',
                exc,
                instance=instance,
            )

    def _finish(
        self,
        instance: nova_types.Instance,
        instance_dir: str,
        info: nova_types.DiskInfo,
        note: annotation.DiskAnnotation,
    ) -> None:
        """Do for a disk without a base what the image cache does for others.
        """  # fmt: skip
        if note.method is model.TransferMethod.COPY:
            inline_disks.preallocate(instance_dir, info)
        inline_disks.record_format(self._driver, instance, instance_dir, info)

    def _known_digest(self, instance: nova_types.Instance) -> str | None:
        if not self._policy.verify_base_images:
            return None
        return image_cache.known_digest(instance)

    def _assert_source_is_safe(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        data: nova_types.MigrateData,
    ) -> None:
        # One with our driver has checked its disks against what we speak.
        if handshake.read_source(data.filename) is None:
            left_behind = host_generated.disks(context, instance)
            if left_behind:
                raise errors.InTreeSource(instance.host, left_behind)
