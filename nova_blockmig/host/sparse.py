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

"""Reading files whose holes matter."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import errno
import os
import stat
from typing import TypeVar

from nova_blockmig.core import blocks
from nova_blockmig.core import identity
from nova_blockmig.host import identity as host_identity

T = TypeVar('T')

CHUNK = 1024 * 1024
"""Most bytes that are read at once; a multiple of :data:`blocks.BLOCK`."""

_ATTEMPTS = 3


class FileChanged(OSError):
    """A file was written to while it was read.

    An OSError, as for the caller it is one more way in which a file cannot
    be read.
    """

    def __init__(self, path: str) -> None:
        super().__init__(errno.EBUSY, 'it changed while it was read', path)


def read(
    path: str,
    use: Callable[[Iterator[blocks.Extent], int], T],
    touched: bool = False,
    expected: identity.Key | None = None,
) -> T:
    """Call use with the extents and the length of a file that stands still.

    What one reading gave counts if nothing about the file changed meanwhile;
    where something did, what two readings agree upon.

    :param use: called with an iterator and the length in bytes, up to three
        times. The iterator gives offset and data of what is in the file, in
        order and without its holes, in pieces of at most :data:`CHUNK` bytes,
        which end on its multiples.
    :param touched: the file may be touched at any time and is never written
        to, as Nova does with its bases: its key decides, not its times.
    :param expected: the key of the file that is meant.
    :raises FileChanged: it did not stand still, or is another file.
    :raises OSError: it cannot be read.
    """
    results: list[T] = []
    for _ in range(_ATTEMPTS):
        with _opened(path) as handle:
            before = host_identity.of_handle(handle)
            if expected is not None and before.key != expected:
                break
            result = use(
                _extents(handle, before.size_bytes), before.size_bytes
            )
            after = host_identity.of_handle(handle)
        if after == before or (touched and after.key == before.key):
            return result
        # Not if it grew or shrank: a reading sees the first length only.
        if after.size_bytes == before.size_bytes:
            if result in results:
                return result
            results.append(result)
    raise FileChanged(path)


def data_bytes(path: str, unit: int = blocks.BLOCK) -> int:
    """Bytes of a file in units that are not all hole.

    What copying the file to another takes there, whose own unit of
    allocation is larger than the hole's.

    :param unit: bytes.
    :raises OSError: it cannot be read.
    """
    total = 0
    counted = 0
    with _opened(path) as handle:
        length = os.fstat(handle).st_size
        for start, end in _data_ranges(handle, length):
            first = max(start // unit * unit, counted)
            counted = max(-(-end // unit) * unit, counted)
            total += counted - first
    return total


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    # O_NONBLOCK, or opening a FIFO waits for a writer. Symbolic links are
    # followed: an operator may have moved _base to another file system.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, 'not a regular file', path)
        yield handle
    finally:
        os.close(handle)


def _extents(handle: int, length: int) -> Iterator[blocks.Extent]:
    for start, end in _data_ranges(handle, length):
        while start < end:
            size = min(CHUNK - start % CHUNK, end - start)
            data = os.pread(handle, size, start)
            if not data:
                return  # It was truncated, which the caller notices.
            yield start, data
            start += len(data)


def _data_ranges(handle: int, length: int) -> Iterator[tuple[int, int]]:
    """Start and end of each range of data."""
    end = 0
    while end < length:
        try:
            start = os.lseek(handle, end, os.SEEK_DATA)
            end = os.lseek(handle, start, os.SEEK_HOLE)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return  # Nothing but a hole follows.
            if exc.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            # The file system does not tell: all of it is data.
            start, end = end, length
        yield start, min(end, length)
