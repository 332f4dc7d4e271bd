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

"""What is read from headers, against what qemu-img says.

Needs qemu-img, and starts it a few hundred times. Where it is missing, the
tests fail.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import struct
import subprocess
import time
from typing import Any

import fixtures
from nova import exception
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
import testtools

from nova_blockmig.compute import disk_info
from nova_blockmig.host import headers

MIB = 1024 * 1024


class QemuImg(fixtures.Fixture):
    """A directory of images, and the qemu-img that makes them."""

    def _setUp(self) -> None:  # noqa: N802, the name is fixtures'
        self.path = self.useFixture(fixtures.TempDir()).path
        if shutil.which('qemu-img') is None:
            raise AssertionError('qemu-img is not there: install qemu-utils')

    def run(self, *args: str) -> str:
        return subprocess.run(
            ['qemu-img', *args],
            cwd=self.path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def create(self, name: str, *args: str, size: str = '64M') -> str:
        """The size '' is that of the backing file."""
        sizes = [size] if size else []
        self.run('create', '-q', '-f', 'qcow2', *args, name, *sizes)
        return os.path.join(self.path, name)

    def create_luks(self, name: str) -> str:
        args = (
            *('--object', 'secret,id=s,data=secret'),
            *('-o', 'encrypt.format=luks,encrypt.key-secret=s'),
            *('-o', 'encrypt.iter-time=10'),
        )
        for _ in range(20):
            # QEMU measures the processor first, and now and then gives up:
            # "Unable to get accurate CPU usage".
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.create(name, *args)
        raise AssertionError('qemu-img makes no LUKS image')

    def info(self, path: str) -> dict[str, Any] | None:
        """None if qemu-img refuses the file."""
        done = subprocess.run(
            ['qemu-img', 'info', '-U', '--output=json', path],
            cwd=self.path,
            capture_output=True,
            text=True,
        )
        return None if done.returncode else json.loads(done.stdout)


class TestAgainstQemuImg(testtools.TestCase):
    """Every kind of image, read as qemu-img reads it or left to it."""

    def setUp(self) -> None:
        super().setUp()
        self.qemu = self.useFixture(QemuImg())

    def assert_read(self, path: str) -> headers.ImageHeader:
        """The header is understood, and qemu-img agrees."""
        header = headers.read_header(path)
        assert header is not None, f'{path} was not understood'
        self.assert_equal(header, path)
        return header

    def assert_equal(self, header: headers.ImageHeader, path: str) -> None:
        info = self.qemu.info(path)
        assert info is not None, f'qemu-img refuses {path}: {header}'
        data = info['format-specific']['data']
        theirs = headers.ImageHeader(
            format=info['format'],
            version={'0.10': 2, '1.1': 3}[data['compat']],
            virtual_bytes=info['virtual-size'],
            allocated_bytes=info['actual-size'],
            backing_file=info.get('backing-filename'),
            backing_format=info.get('backing-filename-format'),
            has_data_file='data-file' in data,
            encrypted=info.get('encrypted', False),
        )
        self.assertEqual(theirs, header)

    def assert_left(self, path: str) -> None:
        """qemu-img has to be asked."""
        self.assertIsNone(headers.read_header(path))

    def test_versions(self) -> None:
        for compat in ('0.10', '1.1'):
            self.assert_read(self.qemu.create('a', '-o', f'compat={compat}'))

    def test_cluster_sizes(self) -> None:
        for bits in range(9, 22):
            path = self.qemu.create('a', '-o', f'cluster_size={1 << bits}')
            self.assert_read(path)

    def test_sizes(self) -> None:
        for size in ('0', '512', '513', '1G', '100G', '64T'):
            self.assert_read(self.qemu.create('a', size=size))

    def test_options(self) -> None:
        for option in (
            'lazy_refcounts=on',
            'refcount_bits=1',
            'refcount_bits=64',
            'preallocation=metadata',
            'preallocation=falloc',
            'preallocation=full',
        ):
            self.assert_read(self.qemu.create('a', '-o', option))

    def test_written_to(self) -> None:
        path = self.qemu.create('a')
        before = self.assert_read(path)
        raw = os.path.join(self.qemu.path, 'raw')
        with open(raw, 'wb') as file:
            file.write(os.urandom(3 * MIB))
            file.truncate(64 * MIB)
        self.qemu.run('convert', '-f', 'raw', '-O', 'qcow2', raw, path)
        after = self.assert_read(path)
        self.assertGreater(
            after.allocated_bytes, before.allocated_bytes + 2 * MIB
        )

    def test_resized(self) -> None:
        path = self.qemu.create('a')
        self.qemu.run('resize', path, '3G')
        self.assertEqual(3072 * MIB, self.assert_read(path).virtual_bytes)
        self.qemu.run('resize', '--shrink', path, '1M')
        self.assertEqual(MIB, self.assert_read(path).virtual_bytes)

    def test_overlays(self) -> None:
        self.qemu.create('base')
        self.qemu.run('create', '-q', '-f', 'raw', 'raw', '64M')
        for backing, backing_format in (
            ('base', 'qcow2'),
            ('raw', 'raw'),
            (os.path.join(self.qemu.path, 'base'), 'qcow2'),
            (
                os.path.join('..', os.path.basename(self.qemu.path), 'raw'),
                'raw',
            ),
        ):
            for compat in ('0.10', '1.1'):
                path = self.qemu.create(
                    'overlay',
                    *('-b', backing, '-F', backing_format),
                    *('-o', f'compat={compat}'),
                    size='',
                )
                header = self.assert_read(path)
                self.assertEqual(backing, header.backing_file)
                self.assertEqual(backing_format, header.backing_format)

    def test_overlay_larger_and_smaller_than_its_base(self) -> None:
        self.qemu.create('base')
        for size in ('1M', '65M'):
            path = self.qemu.create(
                'overlay', '-b', 'base', '-F', 'qcow2', size=size
            )
            self.assert_read(path)

    def test_overlay_without_backing_format(self) -> None:
        self.qemu.create('base')
        path = self.qemu.create('overlay', '-b', 'base', '-F', 'qcow2')
        # As old releases of qemu-img made it, and this one does not: the
        # list of header extensions, of which the format is the first, ends
        # at once.
        with open(path, 'rb') as file:
            (length,) = struct.unpack_from('>I', file.read(104), 100)
        self.replace(path, length, bytes(8))
        self.assertIsNone(self.assert_read(path).backing_format)

    def test_deep_chain(self) -> None:
        self.qemu.create('0')
        for n in range(1, 6):
            path = self.qemu.create(
                str(n), '-b', str(n - 1), '-F', 'qcow2', size=''
            )
        self.assertEqual('4', self.assert_read(path).backing_file)

    def test_longest_backing_name(self) -> None:
        name = '/'.join(['d' * 200] * 5) + '/' + 'f' * 18
        self.assertEqual(1023, len(name))
        path = self.qemu.create('a', '-u', '-b', name, '-F', 'raw')
        self.assertEqual(name, self.assert_read(path).backing_file)

    def test_backing_file_gone(self) -> None:
        path = self.qemu.create('a', '-u', '-b', 'gone', '-F', 'raw')
        self.assertEqual('gone', self.assert_read(path).backing_file)

    def test_backing_file_of_others(self) -> None:
        """It is a name, and nothing looks at what it names."""
        for name in ('/etc/shadow', '/dev/zero', 'nbd://127.0.0.1:1/x'):
            path = self.qemu.create('a', '-u', '-b', name, '-F', 'raw')
            self.assertEqual(name, self.assert_read(path).backing_file)

    def test_backing_file_in_json(self) -> None:
        name = 'json:{"driver":"raw","file":{"driver":"file","filename":"x"}}'
        path = self.qemu.create('a', '-u', '-b', name, '-F', 'raw')
        self.assertEqual(name, self.assert_read(path).backing_file)

    def test_rebased_away(self) -> None:
        self.qemu.create('base')
        path = self.qemu.create(
            'overlay', '-b', 'base', '-F', 'qcow2', size=''
        )
        self.qemu.run('rebase', '-b', '', path)
        self.assertIsNone(self.assert_read(path).backing_file)

    def test_data_file(self) -> None:
        """Understood, but what the data file occupies is not in it."""
        path = self.qemu.create('a', '-o', 'data_file=data')
        header = headers.read_header(path)
        assert header is not None
        self.assertTrue(header.has_data_file)
        info = self.qemu.info(path)
        assert info is not None
        self.assertEqual(info['virtual-size'], header.virtual_bytes)

    def test_luks(self) -> None:
        path = self.qemu.create_luks('a')
        self.assertTrue(self.assert_read(path).encrypted)

    def test_in_use(self) -> None:
        """A running guest's disk: its file is locked, its header is not."""
        path = self.qemu.create('a', '-o', 'lazy_refcounts=on')
        server = subprocess.Popen(
            ['qemu-nbd', '-k', path + '.socket', '-t', '-f', 'qcow2', path]
        )
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        while not os.path.exists(path + '.socket'):
            assert server.poll() is None, 'qemu-nbd did not start'
            time.sleep(0.01)
        self.assertRaises(
            subprocess.CalledProcessError, self.qemu.run, 'info', path
        )
        self.assert_read(path)

    def test_left_to_qemu_img(self) -> None:
        for option in (
            'compression_type=zstd',
            'extended_l2=on',
            'data_file=data,data_file_raw=on',
        ):
            self.assert_left(self.qemu.create('a', '-o', option))

    def test_snapshots_are_left_to_qemu_img(self) -> None:
        path = self.qemu.create('a')
        self.qemu.run('snapshot', '-c', 'one', path)
        self.assert_left(path)

    def test_bitmaps_are_left_to_qemu_img(self) -> None:
        path = self.qemu.create('a')
        self.qemu.run('bitmap', '--add', path, 'one')
        self.assert_left(path)

    def test_odd_backing_name_is_left_to_qemu_img(self) -> None:
        for name in ('é', 'a\nb'):
            path = self.qemu.create('a', '-u', '-b', name, '-F', 'raw')
            self.assert_left(path)

    def test_other_formats_are_left_to_qemu_img(self) -> None:
        path = os.path.join(self.qemu.path, 'a')
        for other in ('raw', 'vmdk', 'vdi', 'vhdx', 'vpc', 'qed', 'qcow'):
            self.qemu.run('create', '-q', '-f', other, path, '64M')
            self.assert_left(path)

    def test_any_byte_of_the_header_altered(self) -> None:
        """Never an answer where qemu-img has none, never another one."""
        self.qemu.create('base')
        understood = 0
        for compat in ('0.10', '1.1'):
            path = self.qemu.create(
                'overlay',
                *('-b', 'base', '-F', 'qcow2', '-o', f'compat={compat}'),
            )
            with open(path, 'rb') as file:
                whole = file.read(512)
            for at in range(112):
                for value in {0, 1, 2, 3, 4, 0x7F, 0xFF} - {whole[at]}:
                    self.replace(path, at, bytes([value]))
                    header = headers.read_header(path)
                    if header is not None:
                        understood += 1
                        if not header.has_data_file:
                            self.assert_equal(header, path)
                self.replace(path, at, whole[at : at + 1])
        # That many are harmless: 'compatible' bits, parts of sizes.
        self.assertGreater(understood, 20)

    @staticmethod
    def replace(path: str, at: int, data: bytes) -> None:
        with open(path, 'r+b') as file:
            file.seek(at)
            file.write(data)


class TestAgainstNova(testtools.TestCase):
    """A guest's disk info, as the in-tree driver makes it with qemu-img."""

    def setUp(self) -> None:
        super().setUp()
        self.qemu = self.useFixture(QemuImg())
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
