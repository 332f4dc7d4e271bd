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

"""Disks without a base, preallocated disks and disks that were resized."""

import struct
from typing import Any

from blocklab.guest import disks
from blocklab.migration import scenario
from blocklab.migration import upgrade
from nova_blockmig.tests.lab import base

GIB = 1 << 30

FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
RAW = {'libvirt': {'images_type': 'raw'}}
PREALLOCATED = {'DEFAULT': {'preallocate_images': 'space'}}
ALLOWED = {'DEFAULT': {'allow_resize_to_same_host': 'true'}}


def everywhere(*sections: dict[str, dict[str, str]]) -> base.Extra:
    """The same settings on both compute hosts."""
    merged = {
        section: options
        for some in sections
        for section, options in some.items()
    }
    return dict.fromkeys(base.HOSTS, merged)


def qcow2_header() -> bytes:
    """What makes qemu-img take a disk for an empty qcow2 of 1 GiB.

    The tables lie where a fresh file system of 1 GiB has zeroes. The format
    is QEMU's docs/interop/qcow2.txt.
    """
    tables = GIB // 2
    return struct.pack(
        '>4sIQIIQIIQQIIQ',
        *(b'QFI\xfb', 2, 0, 0, 16, GIB, 0),
        *(2, tables, tables + (1 << 16), 1, 0, 0),
    )


class RawTest(base.LabTestCase):
    """images_type = raw: whole files, which Nova itself would look into."""

    def test_thin_there_and_preallocated_back(self) -> None:
        self.use(extra=everywhere(RAW | self.thin()))
        instance = self.boot(FLAVOR)
        scenario.writing(instance, timeout=400)
        before = instance.pause_and_hash()
        self.move(instance)
        after = instance.hash()
        self.assert_same(before, after)
        for name, disk in after.items():
            self.assertIsNone(disk.backing, name)
            if disk.virtual_bytes == GIB:
                self.assertLess(disk.allocated_bytes, GIB // 4, name)

        # A guest may write there what it likes; ext4 leaves it the place.
        self.use(extra=everywhere(RAW))
        instance.unpause()
        header = ''.join(f'\\{byte:03o}' for byte in qcow2_header())
        instance.run(
            f"printf '{header}' | dd of=/dev/vdb conv=notrunc && sync"
        )
        self.lab.cloud.compute.reboot_server(instance.id, 'HARD')
        instance.wait_for_status('ACTIVE', 400)
        self.assertEqual(
            {'raw'},
            {d.format for d in disks.devices(instance.host, instance.id)},
        )
        again = scenario.writing(instance, timeout=400)
        self.assertTrue(again.sound, again)

        self.use(extra=everywhere(RAW, PREALLOCATED))
        before = instance.pause_and_hash()
        self.move(instance)
        after = instance.hash()
        self.assert_same(before, after)
        for name, disk in after.items():
            if name != 'disk.config':
                self.assertGreaterEqual(
                    disk.allocated_bytes, disk.virtual_bytes, name
                )

    def thin(self) -> dict[str, dict[str, str]]:
        """What keeps a raw disk thin, see doc/source/admin/limits.rst.

        With libvirt 11.3 it takes both; with 9.0 disks are thin without, and
        it does not have the latter.
        """
        known = upgrade.versions(self.lab, base.DESTINATION)
        if int(known.libvirt.partition('.')[0]) < 11:
            return {}
        return {
            'libvirt': RAW['libvirt'] | {'hw_disk_discard': 'unmap'},
            'blockmig': {'migrate_disks_detect_zeroes': 'true'},
        }

    def test_hosts_that_differ(self) -> None:
        """Refused with both values, before anything moves."""
        self.use(extra={base.DESTINATION: RAW})
        instance = self.boot(FLAVOR)
        position = self.log_size(base.SOURCE)
        with self.nothing_left_on(base.DESTINATION):
            migration = instance.migrate(base.DESTINATION)
        self.assertNotEqual('completed', migration.status)
        self.assertEqual(base.SOURCE, instance.host_name)
        self.assertEqual('ACTIVE', instance.server.status)
        said = self.faults(instance) + self.logged(base.SOURCE, position)
        for word in ('images_type', 'qcow2', 'raw'):
            self.assertIn(word, said)


class ResizedTest(base.LabTestCase):
    """To a flavor with more of everything, on the host where it is."""

    def test_moves_exactly(self) -> None:
        self.use(extra={'controller': ALLOWED, **everywhere(ALLOWED)})
        instance = self.boot(FLAVOR)
        larger = scenario.Flavor(
            memory_mib=160, disk_gib=2, ephemeral_gib=2, swap_mib=128
        ).ensure(self.lab)
        self.resize_here(instance, larger)
        scenario.writing(instance, timeout=400)
        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())

    def resize_here(self, instance: Any, flavor: Any) -> None:
        """Resize without a change of the host, and confirm."""
        compute = self.lab.cloud.compute
        service = self.compute_service(base.DESTINATION)
        compute.disable_service(service)
        try:
            compute.resize_server(instance.id, flavor.id)
            instance.wait_for_status('VERIFY_RESIZE', 400)
        finally:
            compute.enable_service(service)
        compute.confirm_server_resize(instance.id)
        instance.wait_for_status('ACTIVE', 400)
        self.assertEqual(base.SOURCE, instance.host_name)
