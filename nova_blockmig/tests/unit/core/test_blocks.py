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

"""Tests of cutting content into blocks."""

from nova_blockmig.core import blocks
from nova_blockmig.tests.unit import base

BLOCK = blocks.BLOCK


class TestBlocks(base.TestCase):
    def cut(
        self, extents: list[blocks.Extent], length: int = 4 * BLOCK
    ) -> list[blocks.Extent]:
        return list(blocks.blocks(extents, length))

    def test_nothing(self) -> None:
        self.assertEqual([], self.cut([]))
        self.assertEqual([], self.cut([], 0))

    def test_zeros_are_left_out(self) -> None:
        self.assertEqual([], self.cut([(0, bytes(BLOCK)), (BLOCK + 1, b'\0')]))

    def test_small_piece_becomes_a_whole_block(self) -> None:
        [(offset, data)] = self.cut([(BLOCK + 5, b'x')])
        self.assertEqual(BLOCK, offset)
        self.assertEqual(b'\0' * 5 + b'x' + b'\0' * (BLOCK - 6), data)

    def test_pieces_of_one_block_are_joined(self) -> None:
        [(offset, data)] = self.cut([(1, b'a'), (2, b'b'), (9, b'c')])
        self.assertEqual(0, offset)
        self.assertEqual(b'\0ab' + bytes(6) + b'c', data[:10])

    def test_piece_over_several_blocks(self) -> None:
        found = self.cut([(BLOCK - 1, b'a' + b'b' * BLOCK + b'c')])
        self.assertEqual(
            [0, BLOCK, 2 * BLOCK], [offset for offset, _ in found]
        )
        self.assertEqual({BLOCK}, {len(data) for _, data in found})
        self.assertEqual(
            [b'a', b'b' * BLOCK, b'c'],
            [data.strip(b'\0') for _, data in found],
        )

    def test_last_block_ends_with_the_content(self) -> None:
        [(offset, data)] = self.cut([(BLOCK, b'ab')], BLOCK + 7)
        self.assertEqual((BLOCK, b'ab' + bytes(5)), (offset, data))

    def test_whole_block_after_a_part_of_the_one_before(self) -> None:
        found = self.cut([(0, b'a'), (BLOCK, b'b' * BLOCK)])
        self.assertEqual([0, BLOCK], [offset for offset, _ in found])
