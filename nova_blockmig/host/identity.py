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

"""Which file it is, and when a guest's QEMU was started.

Python's os.stat does not know when a file was made (3.15's os.statx does), so
statx(2) is called in the C library. Its layout is in the kernel's
include/uapi/linux/stat.h.
"""

import ctypes
import os
import struct

from nova_blockmig.core import identity

_EMPTY_PATH = 0x1000
_WANTED = 0x7FF | 0x800
"""STATX_BASIC_STATS and STATX_BTIME."""
_BIRTH = 0x800

# struct statx, up to the numbers of the device: mask, block size, attributes,
# links, owner, group, mode, inode, size, blocks, known attributes; access,
# birth, change and modification as seconds, nanoseconds, padding; devices.
_STATX = struct.Struct('=IIQIIIHHQQQQ' + 'qIi' * 4 + 'IIII')
_STATX_BYTES = 256
_NS = 10**9


def of_path(path: str) -> identity.FileIdentity:
    """Which file has this name; symbolic links are followed.

    :raises OSError: there is none, or it cannot be asked.
    """
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return of_handle(handle)
    finally:
        os.close(handle)


def of_handle(handle: int) -> identity.FileIdentity:
    """Which file is open.

    :raises OSError: it cannot be asked.
    """
    status = os.fstat(handle)
    return identity.FileIdentity(
        device=status.st_dev,
        inode=status.st_ino,
        size_bytes=status.st_size,
        birth_ns=_birth_ns(handle),
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
    )


def qemu_started_ns(instance_uuid: str, proc: str = '/proc') -> int | None:
    """When a guest's QEMU was started, in ns since 1970; never too late.

    Found by its command line, which is world-readable, as libvirt writes it.

    :returns: None if it is not found, or not to be seen from here.
    """
    wanted = b'\0-uuid\0%b\0' % instance_uuid.encode()
    started = [
        _started_ns(proc, pid)
        for pid in os.listdir(proc)
        if pid.isdigit() and wanted in _read(f'{proc}/{pid}/cmdline')
    ]
    known = [time for time in started if time is not None]
    return min(known) if known and len(known) == len(started) else None


def _birth_ns(handle: int) -> int | None:
    statx = getattr(ctypes.CDLL(None), 'statx', None)
    if statx is None:
        return None
    data = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(handle, b'', _EMPTY_PATH, _WANTED, data) != 0:
        return None
    fields = _STATX.unpack_from(data.raw)
    if not fields[0] & _BIRTH:
        return None
    seconds, nanoseconds = fields[15], fields[16]
    return int(seconds * _NS + nanoseconds)


def _started_ns(proc: str, pid: str) -> int | None:
    """proc(5): starttime is in ticks since the kernel's btime, a second that
    is rounded down.
    """
    # The name of the program, in brackets, may hold anything.
    fields = _read(f'{proc}/{pid}/stat').rpartition(b')')[2].split()
    booted = [
        line.split()[1]
        for line in _read(f'{proc}/stat').splitlines()
        if line.startswith(b'btime ')
    ]
    if len(fields) < 20 or not booted:
        return None
    ticks = int(fields[19])
    return int(booted[0]) * _NS + ticks * _NS // os.sysconf('SC_CLK_TCK')


def _read(path: str) -> bytes:
    """A file of proc; empty if its process has ended or is not ours to see."""
    try:
        with open(path, 'rb') as file:
            return file.read()
    except OSError:
        return b''
