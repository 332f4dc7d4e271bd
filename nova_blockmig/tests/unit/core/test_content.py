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

"""Content of disks on its way: packed, unpacked, its digest and its limit."""

from collections.abc import Iterator
import hashlib
import json
import struct

from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_blockmig.core import blocks
from nova_blockmig.core import content
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.core import packing

BLOCK = blocks.BLOCK


class TestRoundTrip(base.TestCase):
    @given(packing.sparse())
    @settings(deadline=None, database=None)
    def test_any_content_comes_back(self, image: bytes) -> None:
        self.assertEqual(image, packing.unpack(packing.pack(image)))

    @given(packing.sparse())
    @settings(deadline=None, database=None)
    def test_any_content_comes_back_through_json(self, image: bytes) -> None:
        text = json.dumps(packing.pack(image).to_json())
        packed = content.Packed.from_json(json.loads(text))
        self.assertEqual(packing.pack(image), packed)
        self.assertEqual(image, packing.unpack(packed))

    @given(st.data(), packing.sparse())
    @settings(deadline=None, database=None)
    def test_pieces_do_not_matter(
        self, data: st.DataObject, image: bytes
    ) -> None:
        pieces = data.draw(packing.cut(image))
        self.assertEqual(
            packing.pack(image),
            content.pack(pieces, len(image), limit=packing.LIMIT),
        )

    def test_blocks_are_whole_aligned_and_not_zero(self) -> None:
        image = bytearray(3 * BLOCK + 100)
        image[BLOCK + 7] = 1
        image[-1] = 2
        found = list(content.unpack(packing.pack(bytes(image))))
        self.assertEqual(
            [(BLOCK, BLOCK), (3 * BLOCK, 100)],
            [(offset, len(data)) for offset, data in found],
        )

    def test_content_larger_than_a_piece_of_input(self) -> None:
        # What does not compress, so that the payload is read in many pieces.
        image = b''.join(
            hashlib.sha256(struct.pack('>Q', n)).digest()
            for n in range(3 * BLOCK // 32)
        )
        self.assertEqual(image, packing.unpack(packing.pack(image)))


class TestBytes(base.TestCase):
    def test_it_comes_back(self):
        for length in (0, 5, 1 << 40):
            packed = content.pack([(0, b'hello'[:length])], length, limit=999)
            self.assertEqual(
                packed, content.Packed.from_bytes(packed.to_bytes())
            )

    def test_what_was_not_written_is_refused(self):
        raw = content.pack([(0, b'hello')], 5, limit=99).to_bytes()
        for wrong in (
            b'',
            raw[:43],
            b'\0\0\0\2' + raw[4:],
            raw[:4] + b'\x80' + bytes(7) + raw[12:],
        ):
            self.assertRaises(
                content.BadPayload, content.Packed.from_bytes, wrong
            )


class TestDigest(base.TestCase):
    def test_is_what_the_definition_says(self) -> None:
        image = bytearray(2 * BLOCK + 5)
        image[BLOCK] = 9
        image[-1] = 8
        expected = hashlib.sha256(
            b'nova-blockmig content 1\n'
            + struct.pack('>Q', len(image))
            + struct.pack('>Q', BLOCK)
            + image[BLOCK : 2 * BLOCK]
            + struct.pack('>Q', 2 * BLOCK)
            + image[2 * BLOCK :]
        ).hexdigest()
        self.assertEqual(
            expected, content.digest(packing.whole(bytes(image)), len(image))
        )

    @given(st.data(), packing.sparse())
    @settings(deadline=None, database=None)
    def test_pieces_do_not_matter(
        self, data: st.DataObject, image: bytes
    ) -> None:
        pieces = data.draw(packing.cut(image))
        self.assertEqual(
            content.digest(packing.whole(image), len(image)),
            content.digest(pieces, len(image)),
        )

    @given(packing.sparse())
    @settings(deadline=None, database=None)
    def test_is_the_one_that_pack_makes(self, image: bytes) -> None:
        self.assertEqual(
            content.digest(packing.whole(image), len(image)),
            packing.pack(image).sha256,
        )

    @given(packing.sparse(), packing.sparse())
    @settings(deadline=None, database=None)
    def test_differs_with_the_content(self, one: bytes, two: bytes) -> None:
        assume(one != two)
        self.assertNotEqual(
            content.digest(packing.whole(one), len(one)),
            content.digest(packing.whole(two), len(two)),
        )

    def test_differs_with_the_length_alone(self) -> None:
        self.assertNotEqual(content.digest([], 1), content.digest([], 2))

    def test_extents_out_of_order(self) -> None:
        extents = [(BLOCK, b'b'), (0, b'a')]
        self.assertRaises(ValueError, content.digest, extents, 2 * BLOCK)

    def test_extents_that_overlap(self) -> None:
        extents = [(0, b'ab'), (1, b'b')]
        self.assertRaises(ValueError, content.digest, extents, BLOCK)

    def test_extents_beyond_the_end(self) -> None:
        self.assertRaises(ValueError, content.digest, [(0, b'ab')], 1)


class TestLimit(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.image = b'x' * (3 * BLOCK)
        self.size = len(packing.pack(self.image).data)

    def pack(self, limit: int) -> content.Packed:
        return content.pack(
            packing.whole(self.image), len(self.image), limit=limit
        )

    def test_just_below(self) -> None:
        self.assertEqual(self.size, len(self.pack(self.size).data))

    def test_just_above(self) -> None:
        caught = self.assertRaises(content.TooLarge, self.pack, self.size - 1)
        self.assertEqual(self.size - 1, caught.limit)

    def test_reading_stops(self) -> None:
        noise = hashlib.sha256()
        reads = []

        def endless() -> Iterator[blocks.Extent]:
            for n in range(1000):
                reads.append(n)
                parts = []
                for _ in range(BLOCK // 32):
                    noise.update(b'.')
                    parts.append(noise.digest())
                yield n * BLOCK, b''.join(parts)

        self.assertRaises(
            content.TooLarge,
            content.pack,
            endless(),
            1000 * BLOCK,
            limit=4 * BLOCK,
        )
        self.assertLess(len(reads), 10)
