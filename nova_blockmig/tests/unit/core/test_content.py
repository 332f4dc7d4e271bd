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

"""Tests of host-generated content on its way."""

from collections.abc import Iterator
import hashlib
import itertools
import json
import struct
import tracemalloc
import zlib

from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_blockmig.core import blocks
from nova_blockmig.core import content
from nova_blockmig.tests.unit import base

BLOCK = blocks.BLOCK
LIMIT = 4 * 1024 * 1024
JUNK: tuple[object, ...] = (None, True, -1, 1.0, 2**64, '', 'x', [], {}, b'')


@st.composite
def sparse(draw: st.DrawFn) -> bytes:
    """Content of a few blocks, most of it zeros, of any length."""
    length = draw(st.integers(0, 5 * BLOCK + 3))
    image = bytearray(length)
    for _ in range(draw(st.integers(0, 6))):
        if not length:
            break
        # Where blocks meet is where mistakes are made.
        near = draw(st.sampled_from([0, 1, 2, 3, 4, 5])) * BLOCK
        offset = (near + draw(st.integers(-9, 9))) % length
        data = draw(st.binary(min_size=1, max_size=300))[: length - offset]
        image[offset : offset + len(data)] = data
    return bytes(image)


@st.composite
def cut(draw: st.DrawFn, image: bytes) -> list[blocks.Extent]:
    """The same content in any pieces, some of the zeros left out."""
    cuts = draw(st.lists(st.integers(0, len(image)), max_size=12))
    edges = sorted({0, len(image), *cuts})
    return [
        (start, image[start:end])
        for start, end in itertools.pairwise(edges)
        if any(image[start:end]) or draw(st.booleans())
    ]


def whole(image: bytes) -> list[blocks.Extent]:
    return [(0, image)] if image else []


def pack(image: bytes) -> content.Packed:
    return content.pack(whole(image), len(image), limit=LIMIT)


def unpack(packed: content.Packed) -> bytes:
    image = bytearray(packed.length)
    for offset, data in content.unpack(packed):
        image[offset : offset + len(data)] = data
    return bytes(image)


def forged(
    records: bytes, length: int = 2 * BLOCK, sha256: str | None = None
) -> content.Packed:
    """A payload of these records, with the digest that they would have."""
    start = b'nova-blockmig content 1\n' + struct.pack('>Q', length)
    return content.Packed(
        version=1,
        length=length,
        data=zlib.compress(records),
        sha256=sha256 or hashlib.sha256(start + records).hexdigest(),
    )


def record(offset: int, data: bytes) -> bytes:
    return struct.pack('>Q', offset) + data


class TestRoundTrip(base.TestCase):
    @given(sparse())
    @settings(deadline=None, database=None)
    def test_any_content_comes_back(self, image: bytes) -> None:
        self.assertEqual(image, unpack(pack(image)))

    @given(sparse())
    @settings(deadline=None, database=None)
    def test_any_content_comes_back_through_json(self, image: bytes) -> None:
        text = json.dumps(pack(image).to_json())
        packed = content.Packed.from_json(json.loads(text))
        self.assertEqual(pack(image), packed)
        self.assertEqual(image, unpack(packed))

    @given(st.data(), sparse())
    @settings(deadline=None, database=None)
    def test_pieces_do_not_matter(
        self, data: st.DataObject, image: bytes
    ) -> None:
        pieces = data.draw(cut(image))
        self.assertEqual(
            pack(image), content.pack(pieces, len(image), limit=LIMIT)
        )

    def test_blocks_are_whole_aligned_and_not_zero(self) -> None:
        image = bytearray(3 * BLOCK + 100)
        image[BLOCK + 7] = 1
        image[-1] = 2
        found = list(content.unpack(pack(bytes(image))))
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
        self.assertEqual(image, unpack(pack(image)))


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
            expected, content.digest(whole(bytes(image)), len(image))
        )

    @given(st.data(), sparse())
    @settings(deadline=None, database=None)
    def test_pieces_do_not_matter(
        self, data: st.DataObject, image: bytes
    ) -> None:
        pieces = data.draw(cut(image))
        self.assertEqual(
            content.digest(whole(image), len(image)),
            content.digest(pieces, len(image)),
        )

    @given(sparse())
    @settings(deadline=None, database=None)
    def test_is_the_one_that_pack_makes(self, image: bytes) -> None:
        self.assertEqual(
            content.digest(whole(image), len(image)), pack(image).sha256
        )

    @given(sparse(), sparse())
    @settings(deadline=None, database=None)
    def test_differs_with_the_content(self, one: bytes, two: bytes) -> None:
        assume(one != two)
        self.assertNotEqual(
            content.digest(whole(one), len(one)),
            content.digest(whole(two), len(two)),
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
        self.size = len(pack(self.image).data)

    def pack(self, limit: int) -> content.Packed:
        return content.pack(whole(self.image), len(self.image), limit=limit)

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


class TestAltered(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        image = bytearray(3 * BLOCK + 11)
        image[70:90] = b'superblock superbloc'
        image[2 * BLOCK - 1] = 1
        image[-3:] = b'end'
        self.packed = pack(bytes(image))
        self.obj = self.packed.to_json()

    def assert_bad(self, obj: object) -> content.BadPayload:
        def arrive() -> None:
            for _ in content.unpack(content.Packed.from_json(obj)):
                pass

        return self.assertRaises(content.BadPayload, arrive)

    def test_as_it_is(self) -> None:
        self.assertEqual(self.packed, content.Packed.from_json(self.obj))

    def test_any_bit_of_the_payload(self) -> None:
        data = self.packed.data
        for bit in range(8 * len(data)):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            # The sender's checksum stays, as on a faulty way.
            obj = self.replaced(bytes(changed)) | {'crc32': self.obj['crc32']}
            self.assert_bad(obj)

    def test_content_altered_together_with_its_checksum(self) -> None:
        # Without the checksum's help: zlib and the digest must notice, or
        # the content is the same.
        data = self.packed.data
        for bit in range(8 * len(data)):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            packed = content.Packed.from_json(self.replaced(bytes(changed)))
            try:
                image = unpack(packed)
            except content.BadPayload:
                continue
            self.assertEqual(unpack(self.packed), image)

    def test_truncated_anywhere(self) -> None:
        for size in range(len(self.packed.data)):
            self.assert_bad(self.replaced(self.packed.data[:size]))

    def test_something_added(self) -> None:
        self.assert_bad(self.replaced(self.packed.data + b'\0'))
        self.assert_bad(self.replaced(self.packed.data + bytes(LIMIT)))

    def test_any_character_of_the_text(self) -> None:
        text = self.obj['data']
        for index, character in enumerate(text):
            for other in {'A', 'B', '/', '=', '\n', ' ', '-', 'é'}:
                if other != character:
                    changed = text[:index] + other + text[index + 1 :]
                    self.assert_bad(self.obj | {'data': changed})

    def test_spare_bits_of_the_text(self) -> None:
        # Four of the last character's six bits stand for nothing.
        obj = content.Packed(1, 0, b'x', '0' * 64).to_json()
        self.assertEqual('eA==', obj['data'])
        caught = self.assert_bad(obj | {'data': 'eB=='})
        self.assertIn('base64', caught.reason)

    def test_any_field_missing(self) -> None:
        for field in self.obj:
            rest = {k: v for k, v in self.obj.items() if k != field}
            self.assert_bad(rest)

    def test_unknown_field(self) -> None:
        self.assert_bad(self.obj | {'more': 1})

    def test_any_field_of_another_kind(self) -> None:
        for field in self.obj:
            for value in JUNK:
                self.assert_bad(self.obj | {field: value})

    def test_another_length(self) -> None:
        for length in (0, 1, BLOCK, self.packed.length - 1, 2**62):
            self.assert_bad(self.obj | {'length': length})
        self.assert_bad(self.obj | {'length': self.packed.length + 1})

    def test_another_digest(self) -> None:
        self.assert_bad(self.obj | {'sha256': '0' * 64})
        self.assert_bad(self.obj | {'sha256': self.packed.sha256.upper()})
        self.assert_bad(self.obj | {'sha256': self.packed.sha256 + '\n'})

    def test_no_object(self) -> None:
        values: tuple[object, ...] = (None, [], 'x', 1, b'')
        for value in values:
            self.assert_bad(value)

    def test_unknown_version_names_both(self) -> None:
        caught = self.assert_bad(self.obj | {'version': 2})
        self.assertIn('2', caught.reason)
        self.assertIn(str(content.VERSION), caught.reason)

    def test_unknown_version_wins_over_unknown_fields(self) -> None:
        # What a later version looks like is not known here.
        caught = self.assert_bad({'version': 2, 'zstd': 'x'})
        self.assertIn('version', caught.reason)

    def test_unknown_version_of_a_packed(self) -> None:
        packed = content.Packed(2, 0, zlib.compress(b''), '0' * 64)
        self.assertRaises(content.BadPayload, list, content.unpack(packed))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: st.dictionaries(
                st.sampled_from(['version', 'length', 'sha256', 'data', 'x']),
                inner,
            ),
            max_leaves=6,
        )
    )
    @settings(deadline=None, database=None)
    def test_anything_else(self, obj: object) -> None:
        self.assert_bad(obj)

    def replaced(self, data: bytes) -> dict[str, object]:
        packed = content.Packed(
            version=self.packed.version,
            length=self.packed.length,
            data=data,
            sha256=self.packed.sha256,
        )
        return packed.to_json()


class TestHostile(base.TestCase):
    """Payloads that are well-formed zlib, with checksums that hold."""

    def assert_bad(self, packed: content.Packed) -> None:
        self.assertRaises(content.BadPayload, list, content.unpack(packed))

    def test_forged_as_we_make_it(self) -> None:
        packed = forged(record(0, b'x' * BLOCK))
        self.assertEqual([(0, b'x' * BLOCK)], list(content.unpack(packed)))

    def test_offset_beyond_the_content(self) -> None:
        self.assert_bad(forged(record(2 * BLOCK, b'x' * BLOCK)))
        self.assert_bad(forged(record(2**64 - BLOCK, b'x' * BLOCK)))

    def test_offset_not_aligned(self) -> None:
        self.assert_bad(forged(record(512, b'x' * BLOCK)))

    def test_offsets_not_increasing(self) -> None:
        one = record(0, b'x' * BLOCK)
        self.assert_bad(forged(one + one))
        self.assert_bad(forged(record(BLOCK, b'x' * BLOCK) + one))

    def test_record_of_zeros(self) -> None:
        self.assert_bad(forged(record(0, bytes(BLOCK))))

    def test_record_cut_short(self) -> None:
        self.assert_bad(forged(record(0, b'x' * (BLOCK - 1))))
        self.assert_bad(forged(b'\0\0\0'))

    def test_block_reaches_beyond_the_content(self) -> None:
        self.assert_bad(forged(record(0, b'x' * BLOCK), length=10))

    def test_digest_of_other_content(self) -> None:
        packed = forged(record(0, b'x' * BLOCK), sha256='0' * 64)
        seen = []

        def arrive() -> None:
            for offset, _data in content.unpack(packed):
                seen.append(offset)

        self.assertRaises(content.BadPayload, arrive)
        self.assertEqual([0], seen)

    def test_bomb_is_never_inflated(self) -> None:
        # 64 MiB of ones in 64 KiB, of which the length lets in one block.
        packed = forged(record(0, b'\1' * 64 * 1024 * 1024), length=BLOCK)
        self.addCleanup(tracemalloc.stop)
        tracemalloc.start()
        self.assert_bad(packed)
        _now, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 8 * BLOCK)


class TestSecrets(base.TestCase):
    def test_repr_has_no_content(self) -> None:
        packed = pack(b'the password')
        self.assertNotIn(repr(packed.data), repr(packed))
        self.assertNotIn('data=', repr(packed))

    def test_reasons_have_no_content(self) -> None:
        obj = pack(b'x').to_json() | {'version': 'secret', 'data': 'secret'}
        for changed in (obj, obj | {'version': 1}):
            caught = self.assertRaises(
                content.BadPayload, content.Packed.from_json, changed
            )
            self.assertNotIn('secret', str(caught))
