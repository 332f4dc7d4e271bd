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

"""A guest's disk info, against that of the in-tree driver.

Needs qemu-img. Where it is missing, the tests fail.
"""

import dataclasses
import os
import struct
from typing import Any

from nova import exception
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
import testtools

from nova_blockmig.compute import disk_info
from nova_blockmig.host import headers
from nova_blockmig.tests.functional import qemu_img

MIB = 1024 * 1024


class TestAgainstNova(testtools.TestCase):
    """A guest's disk info, as the in-tree driver makes it with qemu-img."""

    def setUp(self) -> None:
        super().setUp()
        self.qemu = self.useFixture(qemu_img.QemuImg())
        self.driver = object.__new__(libvirt_driver.LibvirtDriver)

    def device(self, path: str, disk_format: str, target: str) -> Any:
        device = vconfig.LibvirtConfigGuestDisk()
        device.source_type = 'file'
        device.source_path = path
        device.driver_format = disk_format
        device.target_dev = target
        return device

    def test_equal_on_every_kind_of_disk(self) -> None:
        self.qemu.create('base')
        raw = os.path.join(self.qemu.path, 'raw')
        with open(raw, 'wb') as file:
            # What a guest may write into its raw disk.
            file.write(b'QFI\xfb' + bytes(508) + b'x' * MIB)
            file.truncate(64 * MIB)
        config = vconfig.LibvirtConfigGuest()
        config.devices = [
            self.device(path, disk_format, f'vd{letter}')
            for letter, (path, disk_format) in zip(
                'abcdefgh',
                [
                    (
                        self.qemu.create(
                            'one', '-b', 'base', '-F', 'qcow2', size='65M'
                        ),
                        'qcow2',
                    ),
                    (raw, 'raw'),
                    (self.qemu.create('two'), 'qcow2'),
                    (self.qemu.create('three', '-o', 'data_file=d'), 'qcow2'),
                    (self.qemu.create_luks('luks'), 'qcow2'),
                    (
                        self.qemu.create('old', '-o', 'compat=0.10'),
                        'qcow2',
                    ),
                    (
                        self.qemu.create('full', '-o', 'preallocation=full'),
                        'qcow2',
                    ),
                    (self.qemu.create('volume'), 'qcow2'),
                ],
                strict=True,
            )
        ]
        volumes = {
            'block_device_mapping': [{'mount_device': '/dev/vdh'}],
        }
        in_tree = self.driver._get_instance_disk_info_from_config
        expected = in_tree(config, volumes)
        self.assertEqual(7, len(expected))
        asked: list[Any] = []

        def counting(some: Any, info: Any) -> Any:
            asked.extend(some.devices)
            return in_tree(some, info)

        found = disk_info.instance_disk_info(config, volumes, counting)
        self.assertEqual(expected, found)
        self.assertEqual(
            [list(info) for info in expected], [list(info) for info in found]
        )
        self.assertEqual(
            ['vdb', 'vdd', 'vde', 'vdh'], [d.target_dev for d in asked]
        )

    def test_equal_errors(self) -> None:
        damaged = self.qemu.create('damaged')
        with open(damaged, 'r+b') as file:
            # A first table too small for the disk.
            file.seek(24)
            file.write(struct.pack('>Q', 2**50))
        in_tree = self.driver._get_instance_disk_info_from_config
        for path, expected in (
            (os.path.join(self.qemu.path, 'gone'), exception.DiskNotFound),
            (damaged, exception.InvalidDiskInfo),
        ):
            config = vconfig.LibvirtConfigGuest()
            config.devices = [
                self.device(self.qemu.create('good'), 'qcow2', 'vda'),
                self.device(path, 'qcow2', 'vdb'),
            ]
            self.assertRaises(expected, in_tree, config, None)
            self.assertRaises(
                expected, disk_info.instance_disk_info, config, None, in_tree
            )

    def test_header_from_qemu_img(self) -> None:
        self.qemu.create('base')
        path = self.qemu.create('a', '-b', 'base', '-F', 'qcow2')
        expected = headers.read_header(path)
        self.assertEqual(expected, disk_info.image_header(path))
        self.qemu.run('bitmap', '--add', path, 'one')
        self.assertIsNone(headers.read_header(path))
        found = disk_info.image_header(path)
        assert expected is not None
        self.assertEqual(
            dataclasses.replace(
                expected, allocated_bytes=found.allocated_bytes
            ),
            found,
        )

    def test_header_from_qemu_img_of_what_is_no_qcow2(self) -> None:
        path = os.path.join(self.qemu.path, 'raw')
        self.qemu.run('create', '-q', '-f', 'raw', path, '64M')
        self.assertRaises(
            exception.InvalidDiskInfo, disk_info.image_header, path
        )
