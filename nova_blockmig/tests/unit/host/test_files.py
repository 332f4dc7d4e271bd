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

"""Tests of room, and of files made whole or not at all."""

from collections.abc import Iterator
import errno
import os
from unittest import mock

import fixtures

from nova_blockmig.core import blocks
from nova_blockmig.core import content
from nova_blockmig.host import files
from nova_blockmig.tests.unit import base

MIB = 1024 * 1024


class TestRoom(base.TestCase):
    def test_free_bytes_leaves_out_the_reserve_of_root(self) -> None:
        status = mock.Mock(f_bavail=3, f_bfree=9, f_frsize=4096, f_bsize=1)
        with mock.patch.object(os, 'statvfs', return_value=status):
            self.assertEqual(12288, files.free_bytes('/anything'))

    def test_free_bytes_of_nothing(self) -> None:
        path = self.useFixture(fixtures.TempDir()).join('gone')
        self.assertRaises(FileNotFoundError, files.free_bytes, path)

    def test_allocated_bytes(self) -> None:
        with mock.patch.object(
            os, 'stat', return_value=mock.Mock(st_blocks=8, st_size=MIB)
        ):
            self.assertEqual(4096, files.allocated_bytes('/anything'))


class TestWriteSparse(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.dir = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(self.dir, 'disk')

    def assert_nothing_left(self) -> None:
        self.assertEqual([], os.listdir(self.dir))

    def content(self) -> bytes:
        with open(self.path, 'rb') as file:
            return file.read()

    def test_content_and_length(self) -> None:
        files.write_sparse(self.path, [(10, b'abc'), (MIB, b'd')], 2 * MIB)
        expected = bytearray(2 * MIB)
        expected[10:13] = b'abc'
        expected[MIB : MIB + 1] = b'd'
        self.assertEqual(bytes(expected), self.content())
        self.assertEqual(['disk'], os.listdir(self.dir))

    def test_nothing_but_a_hole(self) -> None:
        files.write_sparse(self.path, [], 5)
        self.assertEqual(bytes(5), self.content())

    def test_mode(self) -> None:
        self.addCleanup(os.umask, os.umask(0o022))
        files.write_sparse(self.path, [], 5)
        self.assertEqual(0o100644, os.stat(self.path).st_mode)

    def test_is_on_the_disk_before_it_has_its_name(self) -> None:
        done = mock.Mock()
        with (
            mock.patch.object(os, 'fsync', done.fsync),
            mock.patch.object(os, 'rename', done.rename),
        ):
            files.write_sparse(self.path, [], 5)
        self.assertEqual(
            ['fsync', 'rename'], [call[0] for call in done.mock_calls]
        )

    def test_short_writes(self) -> None:
        pwrite = os.pwrite

        def short(handle: int, data: bytes, offset: int) -> int:
            return pwrite(handle, data[:3], offset)

        with mock.patch.object(os, 'pwrite', short):
            files.write_sparse(self.path, [(1, b'0123456789')], 11)
        self.assertEqual(b'\0' + b'0123456789', self.content())

    def test_no_name_before_the_last_extent(self) -> None:
        def extents() -> Iterator[blocks.Extent]:
            yield 0, b'a'
            self.assertFalse(os.path.exists(self.path))

        files.write_sparse(self.path, extents(), 5)
        self.assertTrue(os.path.exists(self.path))

    def test_damage_noticed_at_the_end(self) -> None:
        packed = content.pack([(0, b'content')], 100, limit=MIB)
        altered = content.Packed(
            packed.version, packed.length, packed.data, '0' * 64
        )
        self.assertRaises(
            content.BadPayload,
            files.write_sparse,
            self.path,
            content.unpack(altered),
            100,
        )
        self.assert_nothing_left()

    def test_no_space(self) -> None:
        with mock.patch.object(
            os, 'pwrite', side_effect=OSError(errno.ENOSPC, '')
        ):
            caught = self.assertRaises(
                OSError, files.write_sparse, self.path, [(0, b'a')], 5
            )
        self.assertEqual(errno.ENOSPC, caught.errno)
        self.assert_nothing_left()

    def test_no_space_for_the_name(self) -> None:
        with mock.patch.object(
            os, 'rename', side_effect=OSError(errno.ENOSPC, '')
        ):
            self.assertRaises(OSError, files.write_sparse, self.path, [], 5)
        self.assert_nothing_left()

    def test_extents_leave_the_file(self) -> None:
        self.assertRaises(
            ValueError, files.write_sparse, self.path, [(4, b'ab')], 5
        )
        self.assert_nothing_left()

    def test_existing_file_is_left_alone(self) -> None:
        with open(self.path, 'w') as file:
            file.write('not ours')
        self.assertRaises(
            FileExistsError, files.write_sparse, self.path, [(0, b'a')], 5
        )
        self.assertEqual(b'not ours', self.content())

    def test_dangling_link_is_left_alone(self) -> None:
        os.symlink('nowhere', self.path)
        self.assertRaises(
            FileExistsError, files.write_sparse, self.path, [], 5
        )
        self.assertEqual('nowhere', os.readlink(self.path))

    def test_leftover_of_a_killed_service(self) -> None:
        with open(self.path + '.blockmig-part', 'w') as file:
            file.write('half of something longer')
        files.write_sparse(self.path, [(0, b'a')], 5)
        self.assertEqual(b'a' + bytes(4), self.content())
        self.assertEqual(['disk'], os.listdir(self.dir))


class TestRemove(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.dir = self.useFixture(fixtures.TempDir())

    def test_file(self) -> None:
        path = self.dir.join('x')
        files.write_sparse(path, [], 1)
        files.remove(path)
        self.assertEqual([], os.listdir(self.dir.path))

    def test_nothing(self) -> None:
        files.remove(self.dir.join('x'))

    def test_other_errors_pass(self) -> None:
        self.assertRaises(OSError, files.remove, self.dir.path)
