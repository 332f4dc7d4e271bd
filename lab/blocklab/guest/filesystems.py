# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Check the file systems of a guest that is shut off, as its host sees them.

Each checker only looks, and says by its exit status whether it would have
anything to mend.
"""

from collections.abc import Iterator
import contextlib
import json

from blocklab.guest import disks
from blocklab.machine.errors import CommandFailed
from blocklab.machine.host import Host

# Inside the host; on the same file system as the instances.
_SCRATCH = '/var/lib/nova/fsck.raw'

# blkid's name of a type -> the command that checks one; what it names has
# the place of the image at its end.
_CHECKERS = {
    'ext3': ('e2fsck', '-f', '-n'),
    'ext4': ('e2fsck', '-f', '-n'),
    'vfat': ('fsck.vfat', '-n'),
    'xfs': ('xfs_repair', '-n'),
}


def complaints(host: Host, domain: str) -> dict[str, str]:
    """Disk -> what the checker of its file system says; '' if it is clean.

    A disk without a file system that is known here is left out.

    :raises CommandFailed: a disk cannot be read.
    """
    found = {}
    for device in disks.devices(host, domain):
        if device.is_cdrom or not device.is_local:
            continue
        with _raw(host, device):
            command = _checker(host)
            if command is not None:
                found[device.name] = _run(host, command)
    return found


@contextlib.contextmanager
def _raw(host: Host, device: disks.Device) -> Iterator[None]:
    """The disk as its guest reads it, in a sparse file."""
    try:
        host.run(
            ['qemu-img', 'convert', '-f', device.format, '-O', 'raw',
             device.path, _SCRATCH]
        )  # fmt: skip
        yield
    finally:
        host.run(['rm', '-f', _SCRATCH])


def _checker(host: Host) -> list[str] | None:
    """The command for what is on the disk, or in its last partition."""
    offset = last_partition(
        host.run(['sfdisk', '--json', _SCRATCH])
        if _type(host, 0, 'PTTYPE') == 'dos'
        else ''
    )
    kind = _type(host, offset, 'TYPE')
    if kind not in _CHECKERS:
        return None
    place = f'{_SCRATCH}?offset={offset}' if offset else _SCRATCH
    return [*_CHECKERS[kind], place]


def last_partition(table: str) -> int:
    """Where the last partition begins, in bytes; 0 without partitions.

    :param table: what "sfdisk --json" says of the disk.
    """
    if not table:
        return 0
    found = json.loads(table)['partitiontable']
    starts = [part['start'] for part in found.get('partitions', ())]
    return int(max(starts, default=0)) * int(found['sectorsize'])


def _type(host: Host, offset: int, tag: str) -> str:
    """What blkid calls it, '' if it does not know it."""
    try:
        return host.run(
            ['blkid', '--probe', '--offset', str(offset), '--output', 'value',
             '--match-tag', tag, _SCRATCH]
        ).strip()  # fmt: skip
    except CommandFailed:  # its status when it finds nothing is 2
        return ''


def _run(host: Host, command: list[str]) -> str:
    try:
        host.run(command)
    except CommandFailed as error:
        return str(error)
    return ''
