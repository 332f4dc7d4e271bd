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

"""Disks made on the destination from what a source packed.

With the real mkfs, qemu-img and file system checkers, as they are on a
compute host. Where one is missing, the tests fail.
"""

import dataclasses
import json
import os
import shutil
import subprocess
from typing import Any
from unittest import mock

import fixtures
import nova.conf
from nova.virt.libvirt import imagebackend
from nova.virt.libvirt import utils as libvirt_utils
from oslo_config import fixture as config_fixture
import testtools

from nova_blockmig.compute import inline_disks
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.host import headers
from nova_blockmig.host import sparse

MIB = 1024 * 1024
GIB = 1024 * MIB
LIMIT = 4 * MIB
TOOLS = {
    'e2fsck': 'e2fsprogs',
    'fallocate': 'util-linux',
    'genisoimage': 'genisoimage',
    'mkfs.ext4': 'e2fsprogs',
    'mkfs.vfat': 'dosfstools',
    'mkfs.xfs': 'xfsprogs',
    'mkswap': 'util-linux',
    'qemu-img': 'qemu-utils',
    'xfs_repair': 'xfsprogs',
}


class FilledTestCase(testtools.TestCase):
    """A source's _base and a destination's instance directory."""

    def setUp(self) -> None:
        super().setUp()
        for tool, package in TOOLS.items():
            if shutil.which(tool) is None:
                self.fail(f'{tool} is not there: install {package}')
        root = self.useFixture(fixtures.TempDir())
        self.base = root.join('base')
        self.instance_dir = root.join('instance')
        os.mkdir(self.instance_dir)
        self.target = os.path.join(self.instance_dir, 'disk.eph0')
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.conf.config(instances_path=root.path)

    def run_tool(self, *command: str) -> str:
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout

    def make_base(self, size: int, *command: str) -> None:
        with open(self.base, 'wb') as file:
            file.truncate(size)
        if command:
            self.run_tool(*command, self.base)

    def pack(self) -> content.Packed:
        """What arrives at the destination of what the source packs."""
        packed = sparse.read(
            self.base,
            lambda extents, length: content.pack(extents, length, limit=LIMIT),
        )
        text = json.dumps(packed.to_json())
        return content.Packed.from_json(json.loads(text))

    def info(self, size: int, disk_format: str = 'qcow2') -> dict[str, Any]:
        return {
            'path': '/srv/source/disk.eph0',
            'type': disk_format,
            'virt_disk_size': size,
        }

    def fill(self, size: int, disk_format: str = 'qcow2') -> None:
        info = self.info(size, disk_format)
        inline_disks.make(mock.Mock(), self.instance_dir, info, self.pack())
        self.assertEqual(['disk.eph0'], os.listdir(self.instance_dir))

    def assert_same(self, disk_format: str) -> None:
        self.run_tool(
            'qemu-img',
            'compare',
            *('-f', 'raw', '-F', disk_format),
            self.base,
            self.target,
        )

    def raw_target(self) -> str:
        raw = self.target + '.raw'
        self.run_tool('qemu-img', 'convert', '-f', 'qcow2', self.target, raw)
        return raw


class TestFileSystems(FilledTestCase):
    def test_ext4(self) -> None:
        for size in (GIB, 20 * GIB):
            self.make_base(size, 'mkfs.ext4', '-q', '-F', '-L', 'ephemeral0')
            self.fill(size)
            self.assert_same('qcow2')
            self.run_tool('e2fsck', '-f', '-n', self.raw_target())
            shutil.rmtree(self.instance_dir)
            os.mkdir(self.instance_dir)

    def test_xfs(self) -> None:
        self.make_base(GIB, 'mkfs.xfs', '-q', '-L', 'ephemeral0')
        self.fill(GIB)
        self.assert_same('qcow2')
        self.run_tool('xfs_repair', '-n', self.raw_target())

    def test_vfat(self) -> None:
        self.make_base(GIB, 'mkfs.vfat', '-n', 'ephemeral0')
        self.fill(GIB)
        self.assert_same('qcow2')

    def test_swap(self) -> None:
        self.make_base(64 * MIB, 'mkswap')
        self.fill(64 * MIB)
        self.assert_same('qcow2')

    def test_config_drive(self) -> None:
        # Its length is no multiple of the blocks that travel.
        data = os.path.join(os.path.dirname(self.base), 'data')
        with open(data, 'w') as file:
            file.write('user data ' * 1000)
        self.run_tool(
            'genisoimage', '-quiet', '-V', 'config-2', '-o', self.base, data
        )
        size = os.stat(self.base).st_size
        self.assertNotEqual(0, size % (64 * 1024))
        self.fill(size, 'raw')
        with open(self.base, 'rb') as one, open(self.target, 'rb') as other:
            self.assertEqual(one.read(), other.read())


class TestDisk(FilledTestCase):
    def test_is_like_the_overlay_of_a_spawn_but_stands_alone(self) -> None:
        self.make_base(GIB, 'mkfs.ext4', '-q', '-F')
        self.fill(GIB)
        overlay = self.base + '.overlay'
        libvirt_utils.create_image(
            overlay, 'qcow2', GIB, backing_file=self.base, safe=True
        )

        def described(path: str) -> dict[str, Any]:
            text = self.run_tool('qemu-img', 'info', '--output=json', path)
            info = json.loads(text)
            return {
                key: info.get(key)
                for key in ('virtual-size', 'cluster-size', 'format-specific')
            }

        self.assertEqual(described(overlay), described(self.target))
        self.assertEqual(
            oct(os.stat(overlay).st_mode), oct(os.stat(self.target).st_mode)
        )
        header = headers.read_header(self.target)
        assert header is not None
        self.assertIsNone(header.backing_file)

    def test_thin(self) -> None:
        self.make_base(20 * GIB, 'mkfs.ext4', '-q', '-F')
        self.fill(20 * GIB)
        self.assertLess(os.stat(self.target).st_blocks * 512, 32 * MIB)

    def test_preallocated(self) -> None:
        self.conf.config(preallocate_images='space')
        self.make_base(64 * MIB, 'mkswap')
        for disk_format in ('qcow2', 'raw'):
            self.fill(64 * MIB, disk_format)
            self.assertGreaterEqual(
                os.stat(self.target).st_blocks * 512, 64 * MIB
            )
            self.assert_same(disk_format)
            os.unlink(self.target)

    def test_disk_larger_than_its_base(self) -> None:
        self.make_base(64 * MIB, 'mkswap')
        for disk_format in ('qcow2', 'raw'):
            self.fill(128 * MIB, disk_format)
            os.truncate(self.base, 128 * MIB)
            self.assert_same(disk_format)
            os.truncate(self.base, 64 * MIB)
            os.unlink(self.target)

    def test_disk_smaller_than_its_base(self) -> None:
        self.make_base(64 * MIB, 'mkswap')
        self.assertRaises(errors.PayloadRefused, self.fill, 32 * MIB)
        self.assertEqual([], os.listdir(self.instance_dir))

    def test_altered_on_its_way(self) -> None:
        self.make_base(64 * MIB, 'mkswap')
        packed = dataclasses.replace(self.pack(), sha256='0' * 64)
        for disk_format in ('qcow2', 'raw'):
            self.assertRaises(
                errors.PayloadRefused,
                inline_disks.make,
                mock.Mock(),
                self.instance_dir,
                self.info(64 * MIB, disk_format),
                packed,
            )
            self.assertEqual([], os.listdir(self.instance_dir))


class TestFormat(FilledTestCase):
    """A guest that writes a qcow2 header to its raw disk."""

    def setUp(self) -> None:
        super().setUp()
        self.conf.config(group='libvirt', images_type='raw')
        self.conf.config(group='oslo_concurrency', lock_path=self.instance_dir)
        self.backend = imagebackend.Backend(use_cow=False)
        self.driver = mock.Mock(image_backend=self.backend)
        self.instance = mock.Mock(uuid='instance')
        # As Nova makes a disk that has no base.
        libvirt_utils.create_image(self.target, 'raw', 64 * MIB)

    def write_header(self) -> None:
        lie = self.base + '.qcow2'
        libvirt_utils.create_image(lie, 'qcow2', GIB)
        with open(lie, 'rb') as header, open(self.target, 'r+b') as disk:
            disk.write(header.read(256 * 1024))

    def format_after_hard_reboot(self) -> str:
        image = self.backend.by_name(self.instance, self.target)
        return str(image.driver_format)

    def test_in_tree_believes_it(self) -> None:
        self.write_header()
        self.assertEqual('qcow2', self.format_after_hard_reboot())

    def test_ours_has_noted_the_format_before(self) -> None:
        inline_disks.record_format(
            self.driver,
            self.instance,
            self.instance_dir,
            self.info(64 * MIB, 'raw'),
        )
        self.write_header()
        self.assertEqual('raw', self.format_after_hard_reboot())
