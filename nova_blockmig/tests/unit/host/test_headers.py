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

"""Tests of reading qcow2 headers.

Against headers built here from QEMU's docs/interop/qcow2.txt; the
functional tests hold the same code against qemu-img.
"""

import dataclasses
import os
import struct
from unittest import mock

import fixtures
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_blockmig.host import headers
from nova_blockmig.tests.unit import base

GIB = 1024**3
CLUSTER = 64 * 1024
END = (0, b'')
BACKING_FORMAT = 0xE2792ACA
FEATURE_NAMES = 0x6803F857
CRYPTO = 0x0537BE77
DATA_FILE = 0x44415441
BITMAPS = 0x23852875


@dataclasses.dataclass
class Qcow2:
    """A qcow2 file of three clusters: header, first table, refcounts."""

    magic: bytes = b'QFI\xfb'
    version: int = 3
    size: int = GIB
    cluster_bits: int = 16
    crypt: int = 0
    l1_entries: int = 2
    l1_offset: int = CLUSTER
    refcount_offset: int = 2 * CLUSTER
    refcount_clusters: int = 1
    snapshots: int = 0
    snapshots_offset: int = 0
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    header_length: int = 104
    beyond: bytes = b''
    extensions: tuple[tuple[int, bytes], ...] = (END,)
    backing: bytes = b''
    backing_offset: int | None = None
    backing_length: int | None = None
    length: int = 3 * CLUSTER

    def bytes(self) -> bytes:
        extensions = b''.join(
            struct.pack('>II', kind, len(data))
            + data.ljust((len(data) + 7) // 8 * 8, b'\0')
            for kind, data in self.extensions
        )
        fixed = 104 + len(self.beyond) if self.version == 3 else 72
        backing_offset = self.backing_offset
        if backing_offset is None:
            backing_offset = fixed + len(extensions) if self.backing else 0
        data = struct.pack(
            '>4sIQIIQIIQQIIQ',
            self.magic,
            self.version,
            backing_offset,
            len(self.backing)
            if self.backing_length is None
            else self.backing_length,
            self.cluster_bits,
            self.size,
            self.crypt,
            self.l1_entries,
            self.l1_offset,
            self.refcount_offset,
            self.refcount_clusters,
            self.snapshots,
            self.snapshots_offset,
        )
        if self.version == 3:
            data += struct.pack(
                '>QQQII',
                self.incompatible,
                self.compatible,
                self.autoclear,
                self.refcount_order,
                self.header_length + len(self.beyond),
            )
            data += self.beyond
        data += extensions + self.backing
        return data.ljust(self.length, b'\0')[: self.length]


class HeadersTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).join('disk')

    def read_bytes(self, data: bytes) -> headers.ImageHeader | None:
        with open(self.path, 'wb') as file:
            file.write(data)
        return headers.read_header(self.path)

    def understood(self, **fields: object) -> headers.ImageHeader:
        header = self.read_bytes(Qcow2(**fields).bytes())  # type: ignore
        assert header is not None, fields
        return header

    def assert_left(self, **fields: object) -> None:
        """qemu-img has to be asked."""
        data = Qcow2(**fields).bytes()  # type: ignore[arg-type]
        self.assertIsNone(self.read_bytes(data), str(fields))


class TestUnderstood(HeadersTestCase):
    def test_plain(self) -> None:
        header = self.understood()
        status = os.stat(self.path)
        self.assertEqual(
            headers.ImageHeader(
                format='qcow2',
                version=3,
                virtual_bytes=GIB,
                allocated_bytes=status.st_blocks * 512,
            ),
            header,
        )

    def test_version_2(self) -> None:
        header = self.understood(version=2, backing=b'base')
        self.assertEqual((2, 'base'), (header.version, header.backing_file))

    def test_backing_file(self) -> None:
        header = self.understood(
            extensions=((BACKING_FORMAT, b'raw'), END), backing=b'/b/base'
        )
        self.assertEqual('/b/base', header.backing_file)
        self.assertEqual('raw', header.backing_format)

    def test_backing_format_without_backing_file(self) -> None:
        # Left behind when a disk was flattened; qemu-img does not show it.
        header = self.understood(extensions=((BACKING_FORMAT, b'raw'), END))
        self.assertIsNone(header.backing_format)

    def test_no_end_of_extensions_before_the_backing_file(self) -> None:
        header = self.understood(
            extensions=((BACKING_FORMAT, b'qcow2'),), backing=b'base'
        )
        self.assertEqual('qcow2', header.backing_format)

    def test_feature_names(self) -> None:
        self.understood(extensions=((FEATURE_NAMES, b'x' * 96), END))

    def test_data_file(self) -> None:
        header = self.understood(
            incompatible=1 << 2, extensions=((DATA_FILE, b'data'), END)
        )
        self.assertTrue(header.has_data_file)

    def test_luks(self) -> None:
        header = self.understood(
            crypt=2, extensions=((CRYPTO, bytes(16)), END)
        )
        self.assertTrue(header.encrypted)

    def test_of_a_running_guest(self) -> None:
        self.understood(incompatible=1, compatible=1)

    def test_longer_header(self) -> None:
        self.understood(beyond=bytes(8))

    def test_size_of_the_first_table_just_fits(self) -> None:
        # 64 KiB clusters: an entry reaches over 512 MiB.
        self.understood(l1_entries=2, size=GIB)
        self.assert_left(l1_entries=2, size=GIB + 512)

    def test_through_a_symbolic_link(self) -> None:
        self.understood()
        link = self.path + '.link'
        os.symlink(self.path, link)
        self.assertIsNotNone(headers.read_header(link))


class TestLeftToQemuImg(HeadersTestCase):
    def test_what_nova_does_not_make(self) -> None:
        for fields in (
            {'incompatible': 1 << 3, 'beyond': b'\1' + bytes(7)},
            {'incompatible': 1 << 4},
            {'snapshots': 1, 'snapshots_offset': CLUSTER},
            {'autoclear': 1, 'extensions': ((BITMAPS, bytes(24)), END)},
            {'autoclear': 2, 'incompatible': 4},
            {'extensions': ((BITMAPS, bytes(24)), END)},
            {'extensions': ((0x12345678, b'x'), END)},
            {'crypt': 1},
            {'backing': 'é'.encode()},
            {'backing': b'a\nb'},
        ):
            self.assert_left(**fields)

    def test_what_qemu_refuses(self) -> None:
        for fields in (
            {'version': 1},
            {'version': 4},
            {'cluster_bits': 8},
            {'cluster_bits': 22},
            {'cluster_bits': 2**32 - 1},
            {'size': GIB + 1},
            {'size': 2**64 - 512},
            {'l1_entries': 1},
            {'l1_entries': 2**32 - 1},
            {'l1_offset': 1},
            {'l1_offset': 2**64 - CLUSTER},
            {'refcount_offset': 8},
            {'refcount_clusters': 0},
            {'refcount_clusters': 2**32 - 1},
            {'crypt': 2},
            {'crypt': 3},
            {'incompatible': 1 << 1},
            {'incompatible': 1 << 63},
            {'refcount_order': 7},
            {'header_length': 103},
            {'header_length': CLUSTER + 1},
            {'beyond': b'\1' + bytes(7)},
            {'backing': b'b', 'backing_offset': CLUSTER + 1},
            {'backing': b'b', 'backing_offset': 2**64 - 1},
            {'backing': b'b', 'backing_length': 1024},
            {'backing': b'b', 'backing_length': 2**32 - 1},
            {'backing': b'b', 'backing_offset': 4000, 'backing_length': 200},
            {'extensions': ((BACKING_FORMAT, b'x' * 16), END)},
            {'extensions': ((BACKING_FORMAT, b'raw'),) * 2},
            {'extensions': ((FEATURE_NAMES, bytes(5000)), END)},
        ):
            self.assert_left(**fields)

    def test_extension_that_reaches_beyond_the_file(self) -> None:
        data = bytearray(Qcow2(extensions=((BACKING_FORMAT, b''),)).bytes())
        struct.pack_into('>I', data, 108, 2**32 - 1)
        self.assertIsNone(self.read_bytes(bytes(data)))

    def test_truncated_anywhere(self) -> None:
        whole = Qcow2(backing=b'base').bytes()
        for size in (0, 1, 4, 71, 103, 511, 512, CLUSTER, 2 * CLUSTER):
            self.assertIsNone(self.read_bytes(whole[:size]))

    def test_other_formats(self) -> None:
        for magic in (b'QED\0', b'\0\0\0\0', b'KDMV', b'qfi\xfb'):
            self.assert_left(magic=magic)

    @given(data=st.binary(max_size=600))
    @settings(deadline=None, database=None)
    def test_anything_after_the_magic(self, data: bytes) -> None:
        """Whatever a header holds, it is read or left, and never opened."""
        self.read_bytes(b'QFI\xfb' + data.ljust(4096, b'\0'))

    @given(
        changes=st.dictionaries(
            st.integers(4, 160), st.integers(0, 255), min_size=1, max_size=4
        )
    )
    @settings(deadline=None, database=None)
    def test_any_change_of_a_header(self, changes: dict[int, int]) -> None:
        data = bytearray(Qcow2(backing=b'/etc/shadow').bytes())
        for at, value in changes.items():
            data[at] = value
        header = self.read_bytes(bytes(data))
        if header is not None:
            self.assertEqual(0, header.virtual_bytes % 512)
            self.assertLessEqual(len(header.backing_file or ''), 1023)


class TestFiles(HeadersTestCase):
    def test_missing(self) -> None:
        self.assertRaises(FileNotFoundError, headers.read_header, self.path)

    def test_directory(self) -> None:
        self.assertIsNone(headers.read_header(os.path.dirname(self.path)))

    def test_fifo_is_not_waited_for(self) -> None:
        os.mkfifo(self.path)
        self.assertIsNone(headers.read_header(self.path))

    def test_backing_file_is_never_opened(self) -> None:
        self.understood(backing=b'/nowhere/at/all')

    def test_file_is_closed(self) -> None:
        with (
            mock.patch.object(os, 'open', side_effect=os.open) as opened,
            mock.patch.object(os, 'close', side_effect=os.close) as closed,
        ):
            self.understood()
            self.assert_left(version=1)
        self.assertEqual((2, 2), (opened.call_count, closed.call_count))
