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

import os
import struct
import subprocess
import time

import testtools

from nova_blockmig.host import headers
from nova_blockmig.tests.functional import qemu_img

MIB = 1024 * 1024


class TestAgainstQemuImg(testtools.TestCase):
    """Every kind of image, read as qemu-img reads it or left to it."""

    def setUp(self) -> None:
        super().setUp()
        self.qemu = self.useFixture(qemu_img.QemuImg())

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
