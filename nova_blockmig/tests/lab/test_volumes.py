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

"""Instances with volumes, of Cinder's driver for NFS.

A volume is a file that both hosts have. It must not be copied, least of all
onto itself, and counts for nothing that is said of local disks.
"""

import dataclasses
import hashlib
from typing import Any

from blocklab.guest import disks
from blocklab.guest import glance
from blocklab.migration import scenario
from nova_blockmig.tests.lab import base

DISKS = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
NO_DISKS = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=0, swap_mib=0
)
# On the second host, for the way back.
FULL_COPY = {
    base.DESTINATION: {
        'blockmig': {
            'block_migration_flag': 'VIR_MIGRATE_UNDEFINE_SOURCE,'
            'VIR_MIGRATE_PEER2PEER,VIR_MIGRATE_LIVE,'
            'VIR_MIGRATE_NON_SHARED_DISK'
        }
    }
}
LOCAL = {
    'source_type': 'blank',
    'destination_type': 'local',
    'boot_index': -1,
    'delete_on_termination': True,
}
EPHEMERAL = {**LOCAL, 'guest_format': 'ext4', 'volume_size': 1}
SWAP = {**LOCAL, 'guest_format': 'swap', 'volume_size': 64}
DATA = {**LOCAL, 'destination_type': 'volume', 'volume_size': 1}
TEXT = 'what a database would have written'


@dataclasses.dataclass(frozen=True)
class VolumeState:
    """The file of a volume at one moment.

    :ivar changed: when it was written to, in nanoseconds since 1970. Who
        copies a file onto itself does not change its content.
    """

    inode: int
    allocated_bytes: int
    changed: int
    sha256: str


class VolumesTestCase(base.LabTestCase):
    def image(self, **where: Any) -> dict[str, Any]:
        """The root disk, made of the guest's image."""
        return {
            'source_type': 'image',
            'boot_index': 0,
            'uuid': self.lab.cloud.image.find_image(glance.NAME).id,
            'volume_size': 1,
            'delete_on_termination': True,
            **where,
        }

    def boot_from_volume(
        self, flavor: Any, *others: Any, **options: Any
    ) -> Any:
        """An instance whose root disk is a volume."""
        root = self.image(destination_type='volume')
        return self.boot(
            flavor,
            image=None,
            block_device_mapping=[root, *others],
            **options,
        )

    def volumes(self, instance: Any) -> dict[str, VolumeState]:
        """Device -> state of each volume of a paused guest."""
        found = {}
        for device in disks.devices(instance.host, instance.id):
            if not device.is_local:
                path = self.lab.volumes_path / device.name
                with path.open('rb') as file:
                    digest = hashlib.file_digest(file, 'sha256').hexdigest()
                status = path.stat()
                found[device.target] = VolumeState(
                    status.st_ino,
                    status.st_blocks * 512,
                    status.st_mtime_ns,
                    digest,
                )
        return found

    def move_paused(self, instance: Any, **options: Any) -> Any:
        """Migrate a paused guest; the local disks and volumes are the same.

        :returns: the local disks afterwards.
        """
        before = instance.pause_and_hash()
        volumes = self.volumes(instance)
        self.assertNotEqual({}, volumes)
        self.move(instance, **options)
        after = instance.hash()
        self.assert_same(before, after)
        self.assertEqual(volumes, self.volumes(instance))
        self.assert_attached(instance, len(volumes))
        return after

    def assert_attached(self, instance: Any, count: int) -> None:
        """Cinder has each volume attached there, and nowhere else."""
        attached = instance.server.attached_volumes
        self.assertEqual(count, len(attached))
        for each in attached:
            volume = self.lab.cloud.block_storage.get_volume(each.id)
            self.assertEqual('in-use', volume.status)
            (attachment,) = volume.attachments
            self.assertEqual(instance.host_name, attachment['host_name'])

    def working(self, instance: Any) -> Any:
        """Wait until the guest has written to its disks at least once."""
        return instance.wait_for_guest(
            lambda guest: bool(guest.last), 'a sign of life', 400
        )

    def assert_refused(self, instance: Any, reason: str) -> None:
        """A block migration is refused, and nothing has happened."""
        source = instance.host_name
        with self.nothing_left_on(self.other(source)):
            migration = instance.migrate(self.other(source))
        self.assertEqual('error', migration.status)
        self.assertIn(reason, self.faults(instance))
        self.assertEqual(source, instance.host_name)


class OursTest(VolumesTestCase):
    """Both hosts with this driver; one of them copies disks whole."""

    def setUp(self) -> None:
        super().setUp()
        self.use(extra=FULL_COPY, cinder=True)

    def test_root_on_a_volume_there_and_back(self) -> None:
        instance = self.boot_from_volume(DISKS, EPHEMERAL, SWAP)
        before = scenario.writing(instance, timeout=400)
        for _host in base.HOSTS:
            after = self.move_paused(instance)
            self.assertEqual(
                {'disk.eph0', 'disk.swap', 'disk.config'}, after.keys()
            )
            instance.unpause()
            self.working(instance)
        seen = instance.wait_for_checks(before, 400)
        self.assertTrue(seen.sound, seen)

    def test_no_disk_that_is_copied(self) -> None:
        instance = self.boot_from_volume(NO_DISKS)
        for _host in base.HOSTS:
            after = self.move_paused(instance)
            self.assertEqual({'disk.config'}, after.keys())
            instance.unpause()


class InTreeDestinationTest(VolumesTestCase):
    """What is flattened for the in-tree driver, and what that does alone."""

    def setUp(self) -> None:
        super().setUp()
        self.use('blockmig', 'in-tree', cinder=True)

    def test_root_on_a_volume(self) -> None:
        instance = self.boot_from_volume(
            DISKS, EPHEMERAL, SWAP, config_drive=False
        )
        self.working(instance)
        after = self.move_paused(instance)
        self.assertEqual({'disk.eph0', 'disk.swap'}, after.keys())
        instance.unpause()
        seen = self.working(instance)
        self.assertTrue(seen.sound, seen)

    def test_data_on_a_volume(self) -> None:
        root = self.image(destination_type='local')
        instance = self.boot(
            DISKS,
            block_device_mapping=[root, EPHEMERAL, SWAP, DATA],
            config_drive=False,
        )
        self.working(instance)
        (device,) = (
            each.target
            for each in disks.devices(instance.host, instance.id)
            if not each.is_local
        )
        instance.run(f'echo {TEXT} >/dev/{device} && sync')
        after = self.move_paused(instance)
        self.assertEqual({'disk', 'disk.eph0', 'disk.swap'}, after.keys())
        instance.unpause()
        read = instance.run(
            'echo 3 >/proc/sys/vm/drop_caches; '
            f'head -c {len(TEXT)} /dev/{device}',
            timeout=400,
        )
        self.assertEqual(TEXT, read.output)

    def test_no_local_disk(self) -> None:
        """Nova has a block migration only where there is a local disk."""
        instance = self.boot_from_volume(NO_DISKS, config_drive=False)
        reason = 'Block migration can not be used with shared storage'
        self.assert_refused(instance, reason)
        # If it may decide by itself, it migrates, and copies no disk.
        self.assertEqual({}, self.move_paused(instance, block=False))
        # The same with the in-tree driver.
        instance.unpause()
        self.assert_refused(instance, reason)
        self.assertEqual({}, self.move_paused(instance, block=False))
