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

"""What the header of a qcow2 file says, without qemu-img.

The layout is QEMU's docs/interop/qcow2.txt. oslo.utils recognizes the format
and reads the size; the rest is read here, and checked as QEMU checks it when
it opens the file (``qcow2_do_open`` in its block/qcow2.c), so that no answer
is given where qemu-img gives an error. A guest that writes a header into a
raw disk gains nothing: only disks that Nova itself declared to be qcow2 are
looked at, and the names in a header are never opened here.
"""

import dataclasses
import os
import stat
import struct
from typing import NamedTuple

from oslo_utils.imageutils import format_inspector

_INSPECTED = 512
_READ = 4096
"""Bytes. QEMU writes extensions and the backing file's name right after the
header; qemu-img is asked about the rare file that has them further on."""

_MAGIC = b'QFI\xfb'
_V2 = struct.Struct('>4sIQIIQIIQQIIQ')
_V3 = struct.Struct('>QQQII')
_EXTENSION = struct.Struct('>II')

_END = 0x00000000
_BACKING_FORMAT = 0xE2792ACA
_FEATURE_NAMES = 0x6803F857
_CRYPTO = 0x0537BE77
_DATA_FILE = 0x44415441
_UNDERSTOOD = {_BACKING_FORMAT, _FEATURE_NAMES, _CRYPTO, _DATA_FILE}

_DIRTY_BIT = 1 << 0
_DATA_FILE_BIT = 1 << 2
_LUKS = 2

# QEMU's limits, in bytes: QCOW_MAX_L1_SIZE, QCOW_MAX_REFTABLE_SIZE, and what
# fits BlockDriverState.backing_file and .backing_format.
_MAX_L1 = 32 * 1024 * 1024
_MAX_REFCOUNT_TABLE = 8 * 1024 * 1024
_MAX_BACKING_FILE = 1023
_MAX_BACKING_FORMAT = 15
_SECTOR = 512


@dataclasses.dataclass(frozen=True)
class ImageHeader:
    """What is known of an image without looking at its data.

    :ivar format: ``qcow2``.
    :ivar version: of the format: 2 or 3.
    :ivar virtual_bytes: size of the disk as a guest sees it.
    :ivar allocated_bytes: what the file itself occupies, without its
        backing file and without a data file.
    :ivar backing_file: as the header has it: may be relative to the file.
    :ivar backing_format: as the header has it.
    :ivar has_data_file: the data is in another file.
    :ivar encrypted: the data is encrypted (LUKS).
    """

    format: str
    version: int
    virtual_bytes: int
    allocated_bytes: int
    backing_file: str | None = None
    backing_format: str | None = None
    has_data_file: bool = False
    encrypted: bool = False


def read_header(path: str) -> ImageHeader | None:
    """Read the header of a qcow2 file, in use or not.

    :returns: None if it is not a qcow2 file, or one that is not sure to be
        understood: qemu-img has to be asked.
    :raises OSError: it cannot be read.
    """
    # O_NONBLOCK, or opening a FIFO waits for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None
        data = os.pread(handle, _READ, 0)
    finally:
        os.close(handle)
    inspector = format_inspector.QcowInspector()
    inspector.eat_chunk(data[:_INSPECTED])
    if not inspector.format_match:
        return None
    try:
        return _parse(data, inspector.virtual_size, status)
    except _NotUnderstood:
        return None


def is_qcow2(path: str) -> bool:
    """Whether a file begins as qcow2 files do, a guest's raw disk or not.

    :raises OSError: it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.pread(handle, len(_MAGIC), 0) == _MAGIC
    finally:
        os.close(handle)


class _NotUnderstood(Exception):
    """Something in a header is unknown, or QEMU refuses it."""


def _require(condition: bool) -> None:
    if not condition:
        raise _NotUnderstood


class _Fields(NamedTuple):
    """The fixed part of a header, in the order of the file.

    The defaults are what version 2 implies.
    """

    magic: bytes
    version: int
    backing_offset: int
    backing_length: int
    cluster_bits: int
    virtual_bytes: int
    crypt_method: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    header_length: int = _V2.size


def _parse(
    data: bytes, virtual_bytes: int, status: os.stat_result
) -> ImageHeader:
    fields = _Fields(*_V2.unpack_from(data))
    if fields.version == 3:
        fields = _Fields(
            *_V2.unpack_from(data), *_V3.unpack_from(data, _V2.size)
        )
    _check(data, fields)
    _check_tables(fields, status.st_size)
    extensions = _extensions(data, fields)
    encrypted = fields.crypt_method == _LUKS
    _require(encrypted == (_CRYPTO in extensions))
    backing_file = _backing_file(data, fields)
    backing_format = extensions.get(_BACKING_FORMAT, b'')
    _require(len(backing_format) <= _MAX_BACKING_FORMAT)
    return ImageHeader(
        format='qcow2',
        version=fields.version,
        virtual_bytes=virtual_bytes,
        # QEMU's raw_get_allocated_file_size; stat(2) has the unit.
        allocated_bytes=status.st_blocks * 512,
        backing_file=backing_file,
        backing_format=_text(backing_format) if backing_file else None,
        has_data_file=bool(fields.incompatible & _DATA_FILE_BIT),
        encrypted=encrypted,
    )


def _check(data: bytes, fields: _Fields) -> None:
    """What QEMU requires of the fixed part, and what Nova's disks never have:
    internal snapshots, bitmaps, another compression, extended L2 entries.
    """
    _require(fields.version in (2, 3) and 9 <= fields.cluster_bits <= 21)
    # QEMU rounds a size that is not a multiple of a sector.
    _require(fields.virtual_bytes % _SECTOR == 0)
    _require(fields.crypt_method in (0, _LUKS))
    _require(fields.snapshots == 0 and fields.snapshots_offset == 0)
    _require(not fields.incompatible & ~(_DIRTY_BIT | _DATA_FILE_BIT))
    _require(fields.autoclear == 0 and fields.refcount_order <= 6)
    cluster = 1 << fields.cluster_bits
    _require(fields.backing_offset <= cluster)
    if fields.version == 3:
        _require(_V2.size + _V3.size <= fields.header_length <= cluster)
        # Beyond the 104 bytes is the compression type, 0 for zlib.
        unknown = data[_V2.size + _V3.size : fields.header_length]
        _require(not any(unknown))


def _check_tables(fields: _Fields, file_bytes: int) -> None:
    cluster = 1 << fields.cluster_bits
    l1_bytes = fields.l1_entries * 8
    refcount_bytes = fields.refcount_clusters * cluster
    for offset, size, limit in (
        (fields.l1_offset, l1_bytes, _MAX_L1),
        (fields.refcount_offset, refcount_bytes, _MAX_REFCOUNT_TABLE),
    ):
        _require(offset % cluster == 0 and size <= limit)
        _require(offset + size <= file_bytes)
    _require(refcount_bytes > 0)
    # An entry of the first level stands for a cluster of entries of the
    # second, 8 bytes each, which stand for a cluster of data each.
    reach = fields.l1_entries * (cluster // 8) * cluster
    _require(fields.virtual_bytes <= reach)


def _extensions(data: bytes, fields: _Fields) -> dict[int, bytes]:
    """The header extensions, by type."""
    found: dict[int, bytes] = {}
    offset = fields.header_length
    end = fields.backing_offset or 1 << fields.cluster_bits
    while offset < end:
        start = offset + _EXTENSION.size
        _require(start <= min(end, len(data)))
        kind, length = _EXTENSION.unpack_from(data, offset)
        _require(start + length <= min(end, len(data)))
        if kind == _END:
            break
        _require(kind in _UNDERSTOOD and kind not in found)
        found[kind] = data[start : start + length]
        # Padded to a multiple of 8 bytes.
        offset = start + (length + 7) // 8 * 8
    return found


def _backing_file(data: bytes, fields: _Fields) -> str | None:
    if not fields.backing_offset:
        return None
    _require(fields.backing_length <= _MAX_BACKING_FILE)
    end = fields.backing_offset + fields.backing_length
    _require(end <= min(len(data), 1 << fields.cluster_bits))
    return _text(data[fields.backing_offset : end])


def _text(raw: bytes) -> str | None:
    """A name in a header; None if it is empty."""
    # C ends it at a zero byte, and JSON has its own ways with odd bytes.
    text = raw.decode('latin-1')
    _require(text.isascii() and (text.isprintable() or not text))
    return text or None
