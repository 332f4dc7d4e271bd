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

"""Host-generated content: its digest, and the form in which it is sent.

Content is a sequence of bytes of a known length, mostly zeros: a freshly
made file system, a swap area, a config drive. Its *records*, on which both
the digest and the payload are built, are the 64 KiB blocks, at offsets that
are multiples of 64 KiB, that are not all zero; in order, each as

* 8 bytes: the offset, unsigned, big-endian
* the block: 64 KiB, or less where the content ends within it

So holes and stored zeros are one and the same, and it does not matter in
which pieces the content is read.

The *digest* of content is the SHA-256, in lower-case hexadecimal, of

* the 24 bytes ``nova-blockmig content 1\\n``
* 8 bytes: the length of the content, unsigned, big-endian
* the records

The *payload* is the records as one zlib stream (RFC 1950).
"""

import base64
import binascii
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import hashlib
import re
import struct
from typing import Any
from typing import Self
import zlib

from nova_blockmig.core import blocks

VERSION = 1
"""The version of payload and digest that this package writes and reads."""

_MAGIC = b'nova-blockmig content 1\n'
_OFFSET_BYTES = 8
_LEVEL = 1
_PIECE = 16 * 1024
_MAX_LENGTH = 2**63 - 1
# Version, length, SHA-256.
_HEADER = struct.Struct('>IQ32s')
_FIELDS = {'version', 'length', 'sha256', 'crc32', 'data'}
_SHA256 = re.compile(r'[0-9a-f]{64}')


class BadPayload(Exception):
    """A payload is malformed, altered or of an unknown version.

    :ivar reason: what is wrong with it; never any of the content.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooLarge(Exception):
    """Packed content would pass the limit.

    :ivar limit: in compressed bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f'more than {limit} bytes when compressed')
        self.limit = limit


@dataclasses.dataclass(frozen=True)
class Packed:
    """Content on its way to another host.

    :ivar version: of the format, see :data:`VERSION`.
    :ivar length: of the whole content, in bytes.
    :ivar data: the payload: compressed, may hold secrets, not in the repr.
    :ivar sha256: the digest of the content.
    """

    version: int
    length: int
    data: bytes = dataclasses.field(repr=False)
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """A dict of values that survive JSON."""
        return {
            'version': self.version,
            'length': self.length,
            'sha256': self.sha256,
            # The digest is of the content, so it would not notice a change
            # of the bits that zlib pads its stream with.
            'crc32': zlib.crc32(self.data),
            'data': base64.b64encode(self.data).decode('ascii'),
        }

    @classmethod
    def from_json(cls, obj: object) -> Self:
        """The reverse of :meth:`to_json`.

        :raises BadPayload: obj is anything but what to_json() returned.
        """
        if not isinstance(obj, dict):
            raise BadPayload('not a JSON object')
        version = obj.get('version')
        # 'True == 1' in Python, and so in what JSON made of 'true'.
        if type(version) is not int or version != VERSION:
            raise BadPayload(
                f'unsupported version: {_shown(version)}, not {VERSION}'
            )
        if set(obj) != _FIELDS:
            raise BadPayload('fields are missing or unknown')
        length, sha256 = obj['length'], obj['sha256']
        if type(length) is not int or not 0 <= length <= _MAX_LENGTH:
            raise BadPayload('invalid length')
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise BadPayload('invalid SHA-256 digest')
        data = _decode(obj['data'])
        if type(obj['crc32']) is not int or obj['crc32'] != zlib.crc32(data):
            raise BadPayload('its checksum differs: it was altered')
        return cls(version=version, length=length, data=data, sha256=sha256)

    def to_bytes(self) -> bytes:
        """The same as bytes, for a message that protects itself."""
        sha256 = bytes.fromhex(self.sha256)
        return _HEADER.pack(self.version, self.length, sha256) + self.data

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The reverse of :meth:`to_bytes`.

        :raises BadPayload: raw is anything but what to_bytes() returned.
        """
        if len(raw) < _HEADER.size:
            raise BadPayload('it is truncated')
        version, length, sha256 = _HEADER.unpack_from(raw)
        if version != VERSION or length > _MAX_LENGTH:
            raise BadPayload('its header is not supported by this host')
        return cls(version, length, raw[_HEADER.size :], sha256.hex())


def digest(extents: Iterable[blocks.Extent], length: int) -> str:
    """The digest of content, as defined at the top of this module.

    :param length: of the whole content, in bytes.
    :raises ValueError: extents overlap, or leave the content.
    """
    sha256 = _start_digest(length)
    for offset, block in blocks.blocks(extents, length):
        sha256.update(_offset(offset))
        sha256.update(block)
    return sha256.hexdigest()


def pack(
    extents: Iterable[blocks.Extent], length: int, *, limit: int
) -> Packed:
    """Make the payload of content, in memory.

    :param length: of the whole content, in bytes.
    :param limit: most bytes of payload.
    :raises TooLarge: it would be larger. Reading stops there.
    :raises ValueError: extents overlap, or leave the content.
    """
    sha256 = _start_digest(length)
    compressor = zlib.compressobj(_LEVEL)
    data = bytearray()
    for offset, block in blocks.blocks(extents, length):
        for part in (_offset(offset), block):
            sha256.update(part)
            data += compressor.compress(part)
        if len(data) > limit:
            raise TooLarge(limit)
    data += compressor.flush()
    if len(data) > limit:
        raise TooLarge(limit)
    return Packed(
        version=VERSION,
        length=length,
        data=bytes(data),
        sha256=sha256.hexdigest(),
    )


def unpack(packed: Packed) -> Iterator[blocks.Extent]:
    """The content of a payload, as blocks that are not all zero.

    The digest can only be compared at the end: what was yielded may be used
    once the iterator is exhausted, and not before. No more than a block is
    in memory at a time, whatever the payload claims.

    :raises BadPayload: any corruption, at the latest at the end.
    """
    if packed.version != VERSION:
        raise BadPayload(f'unknown version {_shown(packed.version)}')
    sha256 = _start_digest(packed.length)
    stream = _Inflater(packed.data)
    following = 0
    while head := stream.read(_OFFSET_BYTES):
        offset = int.from_bytes(head, 'big')
        if len(head) < _OFFSET_BYTES or offset % blocks.BLOCK:
            raise BadPayload('it contains a malformed record')
        if not following <= offset < packed.length:
            raise BadPayload('it contains a record at an invalid offset')
        size = min(blocks.BLOCK, packed.length - offset)
        block = stream.read(size)
        if len(block) < size:
            raise BadPayload('it is truncated')
        if block == blocks.ZEROS[:size]:
            raise BadPayload('it contains an empty record')
        sha256.update(head)
        sha256.update(block)
        following = offset + blocks.BLOCK
        yield offset, block
    stream.close()
    if sha256.hexdigest() != packed.sha256:
        raise BadPayload('the digest of its content differs: it was altered')


class _Inflater:
    """Reads a zlib stream in pieces of a bounded size."""

    def __init__(self, data: bytes) -> None:
        self._inflate = zlib.decompressobj()
        self._data = data
        self._taken = 0

    def read(self, size: int) -> bytes:
        """size bytes, or less at the end of the stream."""
        out = bytearray()
        while len(out) < size and not self._inflate.eof:
            piece = self._inflate.unconsumed_tail or self._take()
            try:
                part = self._inflate.decompress(piece, size - len(out))
            except zlib.error:
                raise BadPayload('it cannot be decompressed') from None
            if not part and not piece and not self._inflate.eof:
                raise BadPayload('it is truncated')
            out += part
        return bytes(out)

    def close(self) -> None:
        """Make sure that nothing follows the stream."""
        if self._inflate.unused_data or self._taken < len(self._data):
            raise BadPayload('it has trailing data')

    def _take(self) -> bytes:
        # zlib copies what it could not use yet on every call, so it is not
        # given all at once.
        piece = self._data[self._taken : self._taken + _PIECE]
        self._taken += len(piece)
        return piece


def _start_digest(length: int) -> 'hashlib._Hash':
    sha256 = hashlib.sha256(_MAGIC)
    sha256.update(length.to_bytes(8, 'big'))
    return sha256


def _offset(offset: int) -> bytes:
    return offset.to_bytes(_OFFSET_BYTES, 'big')


def _decode(text: object) -> bytes:
    if not isinstance(text, str):
        raise BadPayload('data is not a string')
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadPayload('data is not base64') from None
    # Python ignores the spare bits of the last character.
    if base64.b64encode(data).decode('ascii') != text:
        raise BadPayload('data is not canonical base64 (RFC 4648)')
    return data


def _shown(version: object) -> str:
    """A version as it may be shown: numbers only."""
    return str(version) if isinstance(version, int) else 'not a number'
