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

"""Tests of reading sparse files."""

from collections.abc import Iterator
import errno
import itertools
import os
from unittest import mock

import fixtures
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_blockmig.core import blocks
from nova_blockmig.host import identity
from nova_blockmig.host import sparse
from nova_blockmig.tests.unit import base

CHUNK = sparse.CHUNK
MIB = 1024 * 1024

Extents = Iterator[blocks.Extent]


class SparseTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).join('file')

    def make(self, length: int, data: dict[int, bytes]) -> bytes:
        """Make the file, return what it holds."""
        image = bytearray(length)
        with open(self.path, 'wb') as file:
            file.truncate(length)
            for offset, piece in data.items():
                file.seek(offset)
                file.write(piece)
                image[offset : offset + len(piece)] = piece
        return bytes(image)

    def read(self) -> bytes:
        def whole(extents: Extents, length: int) -> bytes:
            image = bytearray(length)
            for offset, data in extents:
                image[offset : offset + len(data)] = data
            return bytes(image)

        return sparse.read(self.path, whole)

    def extents(self, path: str | None = None) -> list[blocks.Extent]:
        return sparse.read(path or self.path, lambda e, length: list(e))


class TestExtents(SparseTestCase):
    def test_empty(self) -> None:
        self.make(0, {})
        self.assertEqual([], self.extents())

    def test_nothing_but_a_hole(self) -> None:
        # Whether the file system has holes or not.
        image = self.make(5 * MIB + 1, {})
        self.assertEqual(image, self.read())

    def test_holes_are_left_out(self) -> None:
        data = {4 * MIB: b'x' * 4096, 40 * MIB: b'y'}
        image = self.make(64 * MIB, data)
        self.assertEqual(image, self.read())
        # What the file system says is a hole is not read.
        ranges = [(4 * MIB, 4 * MIB + 4096), (40 * MIB, 40 * MIB + 4096)]
        offsets = [edge for pair in ranges for edge in pair]
        with mock.patch.object(
            os, 'lseek', side_effect=[*offsets, OSError(errno.ENXIO, 'x')]
        ):
            extents = self.extents()
        self.assertEqual(
            ranges, [(start, start + len(d)) for start, d in extents]
        )

    def test_pieces_are_bounded_and_aligned(self) -> None:
        self.make(3 * CHUNK + 10, {4096: b'x' * (3 * CHUNK - 4096 + 10)})
        position = 0
        for offset, data in self.extents():
            end = offset + len(data)
            self.assertGreaterEqual(offset, position)
            self.assertLessEqual(len(data), CHUNK)
            self.assertTrue(end % CHUNK == 0 or end == 3 * CHUNK + 10)
            position = end
        self.assertEqual(3 * CHUNK + 10, position)
        self.assertEqual(0, CHUNK % blocks.BLOCK)

    def test_file_system_without_holes(self) -> None:
        image = self.make(2 * MIB, {MIB: b'x'})
        for code in (errno.EINVAL, errno.EOPNOTSUPP):
            with mock.patch.object(os, 'lseek', side_effect=OSError(code, '')):
                self.assertEqual(image, self.read())

    def test_other_errors_of_seeking(self) -> None:
        self.make(MIB, {})
        with mock.patch.object(
            os, 'lseek', side_effect=OSError(errno.EIO, '')
        ):
            caught = self.assertRaises(OSError, self.read)
        self.assertEqual(errno.EIO, caught.errno)

    def test_short_reads(self) -> None:
        image = self.make(MIB, {0: os.urandom(MIB)})
        pread = os.pread

        def short(handle: int, size: int, offset: int) -> bytes:
            return pread(handle, min(size, 1000), offset)

        with mock.patch.object(os, 'pread', short):
            self.assertEqual(image, self.read())

    def test_symbolic_link(self) -> None:
        image = self.make(10, {0: b'content'})
        link = self.path + '.link'
        os.symlink(self.path, link)
        self.assertEqual([(0, image)], self.extents(link))

    def test_missing(self) -> None:
        self.assertRaises(FileNotFoundError, self.extents)

    def test_no_regular_file(self) -> None:
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.extents)

    def test_file_is_closed(self) -> None:
        self.make(2 * CHUNK, {0: b'x' * 2 * CHUNK})
        with (
            mock.patch.object(os, 'open', side_effect=os.open) as opened,
            mock.patch.object(os, 'close', side_effect=os.close) as closed,
        ):
            self.assertRaises(
                KeyError,
                sparse.read,
                self.path,
                mock.Mock(side_effect=KeyError),
            )
        self.assertEqual((1, 1), (opened.call_count, closed.call_count))

    @given(
        st.integers(0, 3 * CHUNK),
        st.dictionaries(st.integers(0, 3 * CHUNK), st.binary(max_size=9000)),
    )
    @settings(deadline=None, database=None)
    def test_any_file(self, length: int, data: dict[int, bytes]) -> None:
        fitting = {
            offset: piece
            for offset, piece in data.items()
            if offset + len(piece) <= length
        }
        self.path = self.useFixture(fixtures.TempDir()).join('file')
        self.assertEqual(self.make(length, fitting), self.read())


class TestRead(SparseTestCase):
    def test_extents_and_length(self) -> None:
        self.make(10, {0: b'0123456789'})
        found = sparse.read(self.path, lambda e, n: (list(e), n))
        self.assertEqual(([(0, b'0123456789')], 10), found)

    def touching(self, *results: object) -> mock.Mock:
        """A use that touches the file, and gives these results."""

        left = list(results)
        times = itertools.count(1)

        def use(extents: Extents, length: int) -> object:
            list(extents)
            # As Nova does it, but never twice at the same time.
            time = next(times)
            os.utime(self.path, ns=(time, time))
            return left.pop(0)

        return mock.Mock(side_effect=use)

    def test_two_readings_that_agree(self) -> None:
        self.make(10, {0: b'0123456789'})
        use = self.touching('one', 'two', 'one')
        self.assertEqual('one', sparse.read(self.path, use))
        self.assertEqual(3, use.call_count)

    def test_a_base_may_be_touched(self) -> None:
        self.make(10, {0: b'0123456789'})
        use = self.touching('one')
        self.assertEqual('one', sparse.read(self.path, use, touched=True))
        self.assertEqual(1, use.call_count)

    def test_a_base_whose_birth_is_not_known_is_read_twice(self) -> None:
        self.useFixture(
            fixtures.MockPatchObject(identity, '_birth_ns', return_value=None)
        )
        self.make(10, {0: b'0123456789'})
        use = self.touching('one', 'one')
        self.assertEqual('one', sparse.read(self.path, use, touched=True))
        self.assertEqual(2, use.call_count)

    def test_never_stands_still(self) -> None:
        self.make(10, {0: b'0123456789'})
        use = self.touching('one', 'two', 'three')
        caught = self.assertRaises(
            sparse.FileChanged, sparse.read, self.path, use
        )
        self.assertEqual(3, use.call_count)
        self.assertEqual(self.path, caught.filename)

    def test_another_file_than_expected(self) -> None:
        self.make(10, {0: b'0123456789'})
        key = identity.of_path(self.path).key
        use = mock.Mock(return_value='one')
        self.assertEqual('one', sparse.read(self.path, use, expected=key))
        self.make_anew(10)
        self.assertRaises(
            sparse.FileChanged, sparse.read, self.path, use, expected=key
        )
        self.assertEqual(1, use.call_count)

    def make_anew(self, length: int) -> None:
        with open(self.path + '.part', 'wb') as file:
            file.truncate(length)
        os.rename(self.path + '.part', self.path)

    def test_growing_file_is_read_to_its_first_length(self) -> None:
        self.make(10, {0: b'0123456789'})
        seen = []

        def use(extents: Extents, length: int) -> None:
            with open(self.path, 'ab') as file:
                file.write(b'more')
            seen.append(b''.join(data for _, data in extents))

        self.assertRaises(
            sparse.FileChanged, sparse.read, self.path, use, touched=True
        )
        self.assertEqual(b'0123456789', seen[0])

    def test_shrinking_file(self) -> None:
        self.make(2 * CHUNK, {0: b'x' * 2 * CHUNK})

        def use(extents: Extents, length: int) -> None:
            next(extents)
            os.truncate(self.path, length - 10)
            list(extents)

        self.assertRaises(
            sparse.FileChanged, sparse.read, self.path, use, touched=True
        )

    def test_exceptions_of_use_pass(self) -> None:
        self.make(10, {})

        def use(extents: object, length: int) -> None:
            raise KeyError('x')

        self.assertRaises(KeyError, sparse.read, self.path, use)


class TestDataBytes(SparseTestCase):
    def test_in_whole_units(self) -> None:
        self.make(10 * MIB, {4096: b'x', MIB - 1: b'xx', 9 * MIB: b'x'})
        # Where the file system says that there is no hole.
        offsets = [4096, 8192, MIB - 4096, MIB + 4096, 9 * MIB, 10 * MIB]
        with mock.patch.object(
            os, 'lseek', side_effect=[*offsets, OSError(errno.ENXIO, 'x')]
        ):
            found = sparse.data_bytes(self.path)
        self.assertEqual(3 * blocks.BLOCK + MIB, found)

    def test_two_in_one_unit_count_once(self) -> None:
        self.make(MIB, {0: b'x'})
        offsets = [0, 4096, 8192, 12288, MIB]
        with mock.patch.object(
            os, 'lseek', side_effect=[*offsets[:4], OSError(errno.ENXIO, 'x')]
        ):
            self.assertEqual(blocks.BLOCK, sparse.data_bytes(self.path))

    def test_missing(self) -> None:
        self.assertRaises(FileNotFoundError, sparse.data_bytes, self.path)
