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

"""Sparse content cut into blocks, however it is stored and read."""

from collections.abc import Iterable
from collections.abc import Iterator

BLOCK = 64 * 1024
"""Bytes. The default cluster size of qcow2, so that the content of a base
occupies about as much in a disk made from it as in the base."""

ZEROS = bytes(BLOCK)

Extent = tuple[int, bytes]
"""Offset and data. Iterables of extents are in order, do not overlap, and
leave holes out."""


_L2_BYTES = BLOCK // 8 * BLOCK
_REFCOUNTED_BYTES = BLOCK // 2 * BLOCK
"""What one table maps: an entry of 8 and of 2 bytes a cluster."""


def qcow2_bytes(data_bytes: int, virtual_bytes: int) -> int:
    """Most that data adds to a qcow2 file of the default cluster size.

    :param data_bytes: in whole clusters, wherever in the disk they lie.
    """
    clusters = _ceil(data_bytes, BLOCK)
    tables = min(clusters, _ceil(virtual_bytes, _L2_BYTES))
    refcounts = _ceil(data_bytes + tables * BLOCK, _REFCOUNTED_BYTES)
    return (clusters + tables + refcounts) * BLOCK


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)


def blocks(extents: Iterable[Extent], length: int) -> Iterator[Extent]:
    """Cut extents into the aligned blocks that are not all zero.

    :param length: of the whole content, in bytes.
    :returns: whole blocks; the last one ends where the content does.
    :raises ValueError: extents overlap, or leave the content.
    """
    partial, start = bytearray(), 0
    for offset, piece in _pieces(extents, length):
        aligned = offset - offset % BLOCK
        if partial and aligned != start:
            yield from _finished(start, partial, length)
            partial = bytearray()
        if len(piece) == BLOCK:
            yield from _finished(offset, piece, length)
            continue
        start = aligned
        partial += ZEROS[: offset - start - len(partial)] + piece
    if partial:
        yield from _finished(start, partial, length)


def _pieces(extents: Iterable[Extent], length: int) -> Iterator[Extent]:
    """Cut extents where blocks begin."""
    position = 0
    for offset, data in extents:
        if offset < position or offset + len(data) > length:
            raise ValueError('extents overlap or leave the content')
        position = offset + len(data)
        done = 0
        while done < len(data):
            size = BLOCK - (offset + done) % BLOCK
            yield offset + done, data[done : done + size]
            done += size


def _finished(
    start: int, data: bytes | bytearray, length: int
) -> Iterator[Extent]:
    if data != ZEROS[: len(data)]:
        size = min(BLOCK, length - start)
        yield start, bytes(data).ljust(size, b'\0')
