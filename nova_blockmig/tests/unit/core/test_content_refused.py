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

"""Payloads that were altered, or made to do harm."""

import tracemalloc
import zlib

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_blockmig.core import blocks
from nova_blockmig.core import content
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.core import packing

BLOCK = blocks.BLOCK
JUNK: tuple[object, ...] = (None, True, -1, 1.0, 2**64, '', 'x', [], {}, b'')


class TestAltered(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        image = bytearray(3 * BLOCK + 11)
        image[70:90] = b'superblock superbloc'
        image[2 * BLOCK - 1] = 1
        image[-3:] = b'end'
        self.packed = packing.pack(bytes(image))
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
                image = packing.unpack(packed)
            except content.BadPayload:
                continue
            self.assertEqual(packing.unpack(self.packed), image)

    def test_truncated_anywhere(self) -> None:
        for size in range(len(self.packed.data)):
            self.assert_bad(self.replaced(self.packed.data[:size]))

    def test_something_added(self) -> None:
        self.assert_bad(self.replaced(self.packed.data + b'\0'))
        self.assert_bad(self.replaced(self.packed.data + bytes(packing.LIMIT)))

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
        packed = packing.forged(packing.record(0, b'x' * BLOCK))
        self.assertEqual([(0, b'x' * BLOCK)], list(content.unpack(packed)))

    def test_offset_beyond_the_content(self) -> None:
        self.assert_bad(
            packing.forged(packing.record(2 * BLOCK, b'x' * BLOCK))
        )
        self.assert_bad(
            packing.forged(packing.record(2**64 - BLOCK, b'x' * BLOCK))
        )

    def test_offset_not_aligned(self) -> None:
        self.assert_bad(packing.forged(packing.record(512, b'x' * BLOCK)))

    def test_offsets_not_increasing(self) -> None:
        one = packing.record(0, b'x' * BLOCK)
        self.assert_bad(packing.forged(one + one))
        self.assert_bad(
            packing.forged(packing.record(BLOCK, b'x' * BLOCK) + one)
        )

    def test_record_of_zeros(self) -> None:
        self.assert_bad(packing.forged(packing.record(0, bytes(BLOCK))))

    def test_record_cut_short(self) -> None:
        self.assert_bad(packing.forged(packing.record(0, b'x' * (BLOCK - 1))))
        self.assert_bad(packing.forged(b'\0\0\0'))

    def test_block_reaches_beyond_the_content(self) -> None:
        self.assert_bad(
            packing.forged(packing.record(0, b'x' * BLOCK), length=10)
        )

    def test_digest_of_other_content(self) -> None:
        packed = packing.forged(
            packing.record(0, b'x' * BLOCK), sha256='0' * 64
        )
        seen = []

        def arrive() -> None:
            for offset, _data in content.unpack(packed):
                seen.append(offset)

        self.assertRaises(content.BadPayload, arrive)
        self.assertEqual([0], seen)

    def test_bomb_is_never_inflated(self) -> None:
        # 64 MiB of ones in 64 KiB, of which the length lets in one block.
        packed = packing.forged(
            packing.record(0, b'\1' * 64 * 1024 * 1024), length=BLOCK
        )
        self.addCleanup(tracemalloc.stop)
        tracemalloc.start()
        self.assert_bad(packed)
        _now, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 8 * BLOCK)


class TestSecrets(base.TestCase):
    def test_repr_has_no_content(self) -> None:
        packed = packing.pack(b'the password')
        self.assertNotIn(repr(packed.data), repr(packed))
        self.assertNotIn('data=', repr(packed))

    def test_reasons_have_no_content(self) -> None:
        obj = packing.pack(b'x').to_json() | {
            'version': 'secret',
            'data': 'secret',
        }
        for changed in (obj, obj | {'version': 1}):
            caught = self.assertRaises(
                content.BadPayload, content.Packed.from_json, changed
            )
            self.assertNotIn('secret', str(caught))
