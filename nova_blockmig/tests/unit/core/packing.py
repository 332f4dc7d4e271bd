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

"""Content that tests pack, and payloads that nobody packs so."""

import hashlib
import itertools
import struct
import zlib

from hypothesis import strategies as st

from nova_blockmig.core import blocks
from nova_blockmig.core import content

BLOCK = blocks.BLOCK
LIMIT = 4 * 1024 * 1024


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
