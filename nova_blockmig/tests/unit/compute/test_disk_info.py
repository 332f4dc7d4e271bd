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

"""Tests of Nova's disk info, read from headers."""

import errno
from typing import Any
from unittest import mock

import fixtures
from nova import exception
from nova.virt import images
from nova.virt.libvirt import config as vconfig

from nova_blockmig.compute import disk_info
from nova_blockmig.host import headers
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

GIB = 1024**3


def header(**fields: Any) -> headers.ImageHeader:
    known: dict[str, Any] = {
        'format': 'qcow2',
        'version': 3,
        'virtual_bytes': 20 * GIB,
        'allocated_bytes': GIB,
    }
    return headers.ImageHeader(**(known | fields))


def disk(target: str, **fields: Any) -> Any:
    device = vconfig.LibvirtConfigGuestDisk()
    device.target_dev = target
    device.source_type = 'file'
    device.driver_format = 'qcow2'
    device.source_path = f'/instances/uuid/{target}'
    for name, value in fields.items():
        setattr(device, name, value)
    return device


def config(*devices: Any) -> Any:
    guest = vconfig.LibvirtConfigGuest()
    guest.devices = list(devices)
    return guest


class DisksTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.read_header = self.useFixture(
            fixtures.MockPatchObject(
                headers, 'read_header', return_value=header()
            )
        ).mock


class TestDiskInfoFor(DisksTestCase):
    def test_overlay(self) -> None:
        self.read_header.return_value = header(
            backing_file='/instances/_base/0123', backing_format='raw'
        )
        self.assertEqual(
            {
                'type': 'qcow2',
                'path': '/instances/uuid/vda',
                'virt_disk_size': 20 * GIB,
                'backing_file': '0123',
                'disk_size': GIB,
                'over_committed_disk_size': 19 * GIB,
            },
            disk_info.disk_info_for(disk('vda'), set()),
        )

    def test_without_backing_file(self) -> None:
        info = disk_info.disk_info_for(disk('vda'), set())
        assert info is not None
        self.assertIsNone(info['backing_file'])

    def test_more_allocated_than_virtual(self) -> None:
        self.read_header.return_value = header(allocated_bytes=21 * GIB)
        info = disk_info.disk_info_for(disk('vda'), set())
        assert info is not None
        self.assertEqual(0, info['over_committed_disk_size'])

    def test_left_to_nova(self) -> None:
        for device in (
            vconfig.LibvirtConfigGuestInterface(),
            disk('vda', source_type='block'),
            disk('vda', source_type='network'),
            disk('vda', driver_format='raw'),
            disk('vda', driver_format='ploop'),
            disk('vda', driver_format=None),
            disk('vda', source_path=None),
            disk('vol'),
        ):
            self.assertIsNone(disk_info.disk_info_for(device, {'vol'}))
        self.read_header.assert_not_called()

    def test_header_left_to_nova(self) -> None:
        for found in (
            None,
            header(has_data_file=True),
            header(encrypted=True),
        ):
            self.read_header.return_value = found
            self.assertIsNone(disk_info.disk_info_for(disk('vda'), set()))

    def test_errors_are_left_to_nova(self) -> None:
        for code in (errno.ENOENT, errno.EACCES, errno.ESTALE, errno.EIO):
            self.read_header.side_effect = OSError(code, 'x')
            self.assertIsNone(disk_info.disk_info_for(disk('vda'), set()))


class TestInstanceDiskInfo(DisksTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.asked: list[list[str]] = []

    def in_tree(self, guest_config: Any, block_device_info: Any) -> list[Any]:
        self.asked.append([d.target_dev for d in guest_config.devices])
        return [
            {'path': f'in-tree {device.target_dev}'}
            for device in guest_config.devices
        ]

    def paths(self, guest: Any, volumes: Any = None) -> list[str]:
        infos = disk_info.instance_disk_info(guest, volumes, self.in_tree)
        return [info['path'] for info in infos]

    def test_order_is_that_of_the_devices(self) -> None:
        guest = config(
            disk('a'),
            disk('b', driver_format='raw'),
            disk('c', source_type='block'),
            disk('d'),
            disk('e', driver_format='raw'),
        )
        self.assertEqual(
            [
                '/instances/uuid/a',
                'in-tree b',
                'in-tree c',
                '/instances/uuid/d',
                'in-tree e',
            ],
            self.paths(guest),
        )
        self.assertEqual([['b', 'c'], ['e']], self.asked)

    def test_the_guest_is_left_as_it_is(self) -> None:
        devices = [disk('a', driver_format='raw'), disk('b')]
        guest = config(*devices)
        self.paths(guest)
        self.assertEqual(devices, guest.devices)

    def test_nova_is_not_asked_without_need(self) -> None:
        self.paths(config(disk('a'), disk('b')))
        self.paths(config())
        self.assertEqual([], self.asked)

    def test_volumes(self) -> None:
        volumes = {'block_device_mapping': [{'mount_device': '/dev/vda'}]}
        guest = config(disk('vda'), disk('vdb'))
        self.assertEqual(
            ['in-tree vda', '/instances/uuid/vdb'], self.paths(guest, volumes)
        )

    def test_nova_gets_the_same_block_devices(self) -> None:
        volumes = {'block_device_mapping': [{'mount_device': 'vda'}]}
        in_tree = mock.Mock(return_value=[])
        disk_info.instance_disk_info(config(disk('vda')), volumes, in_tree)
        self.assertIs(volumes, in_tree.call_args.args[1])

    def test_containers_are_nova_s(self) -> None:
        guest = config(disk('a'))
        guest.os_type = 'exe'
        self.assertEqual(['in-tree a'], self.paths(guest))

    def test_errors_are_nova_s(self) -> None:
        self.read_header.side_effect = [header(), OSError(errno.ENOENT, 'x')]
        in_tree = mock.Mock(side_effect=exception.DiskNotFound(location='x'))
        self.assertRaises(
            exception.DiskNotFound,
            disk_info.instance_disk_info,
            config(disk('a'), disk('b')),
            None,
            in_tree,
        )


class TestImageHeader(DisksTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.info = nova_objects.image_info(**{
            'virtual-size': GIB,
            'actual-size': 4096,
            'backing-filename': 'base',
            'backing-filename-format': 'raw',
            'format-specific': {'data': {'compat': '1.1'}},
        })  # fmt: skip
        self.qemu_img = self.useFixture(
            fixtures.MockPatchObject(
                images, 'qemu_img_info', return_value=self.info, autospec=True
            )
        ).mock

    def test_understood(self) -> None:
        self.assertEqual(header(), disk_info.image_header('/x'))
        self.qemu_img.assert_not_called()

    def test_asks_qemu_img_once(self) -> None:
        self.read_header.return_value = None
        self.assertEqual(
            header(
                virtual_bytes=GIB,
                allocated_bytes=4096,
                backing_file='base',
                backing_format='raw',
            ),
            disk_info.image_header('/x'),
        )
        # Never without the format, or a guest could choose it.
        self.qemu_img.assert_called_once_with('/x', format='qcow2')

    def test_from_qemu_img(self) -> None:
        self.read_header.return_value = None
        self.info.encrypted = 'yes'
        self.info.format_specific = {
            'data': {'compat': '0.10', 'data-file': 'x'}
        }
        found = disk_info.image_header('/x')
        self.assertTrue(found.has_data_file)
        self.assertTrue(found.encrypted)
        self.assertEqual(2, found.version)

    def test_unreadable(self) -> None:
        self.read_header.side_effect = PermissionError(errno.EACCES, 'x')
        self.assertRaises(PermissionError, disk_info.image_header, '/x')
        self.qemu_img.assert_not_called()
