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

"""Room on a file system, and files that are made whole or not at all."""

from collections.abc import Iterable
import contextlib
import errno
import os

from nova_blockmig.core import blocks

_MODE = 0o644
_PART = '.blockmig-part'


def free_bytes(path: str) -> int:
    """Bytes that a service without root's reserve may still write.

    :param path: anything on the file system.
    """
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def allocated_bytes(path: str) -> int:
    """Bytes that a file occupies, its holes excepted."""
    # POSIX leaves the unit of st_blocks open; Linux fixes it, see stat(2).
    return os.stat(path).st_blocks * 512


def write_sparse(
    path: str, extents: Iterable[blocks.Extent], length: int
) -> None:
    """Make a file of this length that holds extents, and holes elsewhere.

    The file has its name only once extents is exhausted without an
    exception and everything is on the disk: an iterator that verifies what
    it yields may raise as late as at its end. Mode 0644, like the disks that
    qemu-img makes for Nova, less the umask.

    :param length: of the whole file, in bytes.
    :raises FileExistsError: there is a file of this name; it is left alone.
    :raises ValueError: extents leave the file.
    :raises OSError: it cannot be written, for want of space for instance.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    part = path + _PART
    # Left by a service that was killed; nobody else uses this name.
    remove(part)
    try:
        _write(part, extents, length)
        os.rename(part, path)
    except BaseException:
        remove(part)
        raise


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _write(path: str, extents: Iterable[blocks.Extent], length: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(path, flags, _MODE), 'wb', buffering=0) as file:
        for offset, data in extents:
            if offset + len(data) > length:
                raise ValueError('extents leave the file')
            _write_all(file.fileno(), offset, data)
        os.ftruncate(file.fileno(), length)
        os.fsync(file.fileno())


def _write_all(handle: int, offset: int, data: bytes) -> None:
    # A full file system makes the first write short and the second fail.
    done = 0
    while done < len(data):
        done += os.pwrite(handle, data[done:], offset + done)
