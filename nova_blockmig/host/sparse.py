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


def read(path: str, use: Callable[[Iterator[blocks.Extent], int], T]) -> T:
    """Call use with the extents and the length of a file that stands still.

    Nova updates the times of a base whenever an instance is made on it,
    which cannot be told from writing: the file is then read once more.

    :param use: called with an iterator, see :func:`read_extents`, and the
        length in bytes; up to three times.
    :raises FileChanged: it did not stand still.
    :raises OSError: it cannot be read.
    """
    for _ in range(_ATTEMPTS):
        with _opened(path) as handle:
            before = os.fstat(handle)
            result = use(_extents(handle, before.st_size), before.st_size)
            if identity(os.fstat(handle)) == identity(before):
                return result
    raise FileChanged(path)


def read_extents(path: str) -> Iterator[blocks.Extent]:
    """Offset and data of what is in a file, in order, without its holes.

    In pieces of at most :data:`CHUNK` bytes, which end on its multiples.

    :raises FileChanged: the file was written to meanwhile, or its times
        were updated; at the end of the iteration.
    :raises OSError: it cannot be read.
    """
    with _opened(path) as handle:
        before = os.fstat(handle)
        yield from _extents(handle, before.st_size)
        if identity(os.fstat(handle)) != identity(before):
            raise FileChanged(path)


def content_length(path: str) -> int:
    """The length of a file in bytes, its holes counted."""
    return os.stat(path).st_size


def identity(status: os.stat_result) -> tuple[int, ...]:
    """What changes at the latest when the content of a file changes."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    # O_NONBLOCK, or opening a FIFO waits for a writer. Symbolic links are
    # followed: an operator may have moved _base to another file system.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, 'it is no regular file', path)
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
    """Start and end of what is no hole."""
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
