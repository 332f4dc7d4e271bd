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

"""What a destination accepts of the disks that a source announces.

The source is not trusted with more than it needs: a disk has one of the
names that Nova gives to local disks, one of two formats, and a size within
limits that are the destination's own. A disk of which the source says
nothing more is accepted only if Nova's code makes it exactly as it was.
"""

from collections.abc import Mapping
import dataclasses
import json
import os
import re
from typing import Any

from nova_blockmig.core import annotation
from nova_blockmig.core import errors
from nova_blockmig.core import model

_NAME = re.compile(r'disk(?:\.(?:config|local|swap|eph[0-9]{1,3}))?')
_TYPES = ('qcow2', 'raw')
_MIB = 1 << 20
_GIB = 1 << 30

# Nova makes vfat config drives of this size.
_LEAST_LIMIT = 64 * _MIB
_INFLATION = 16


@dataclasses.dataclass(frozen=True)
class Flavor:
    """What the instance's flavor gives it on local disks, in bytes."""

    root_bytes: int = 0
    ephemeral_bytes: int = 0
    swap_bytes: int = 0

    @classmethod
    def of(cls, root_gb: int, ephemeral_gb: int, swap_mb: int) -> 'Flavor':
        """From the units that Nova's flavors have."""
        return cls(root_gb * _GIB, ephemeral_gb * _GIB, swap_mb * _MIB)


@dataclasses.dataclass(frozen=True)
class Announced:
    """One disk of Nova's disk info, after its fields were checked.

    :ivar name: the file's name in the instance directory.
    :ivar virtual_bytes: the size of the disk, wherever it was written.
    :ivar backing_file: the base's file name; empty if there is none.
    """

    name: str
    virtual_bytes: int
    backing_file: str
    annotation: annotation.DiskAnnotation | None


def assert_readable(text: str | None) -> None:
    """Refuse a disk info that is not a list of disks.

    Before Nova reads it as if it were, and makes a directory for it.

    :param text: JSON; None if there is no disk to make.
    :raises errors.Refused: as :func:`read`, or it is not a list.
    """
    if text is None:
        return
    try:
        infos = json.loads(text)
    except (TypeError, ValueError, RecursionError) as exc:
        raise errors.DiskRefused(
            'the disk info', 'it is not valid JSON'
        ) from exc
    if infos == {}:
        return  # to Nova as good as an empty list
    if not isinstance(infos, list):
        raise errors.DiskRefused('the disk info', 'it is not a list')
    for info in infos:
        read(info)


def read(info: object) -> Announced:
    """Check one entry of the disk info.

    :raises errors.DiskRefused: it is not a disk that this host makes.
    :raises errors.PayloadRefused: its annotation is malformed.
    """
    if not isinstance(info, dict) or not isinstance(info.get('path'), str):
        raise errors.DiskRefused('a disk', 'it has no path')
    name = os.path.basename(info['path'])
    if not _NAME.fullmatch(name):
        raise errors.DiskRefused(
            repr(name[:40]), 'Nova does not use this name for a local disk'
        )
    if info.get('type') not in _TYPES:
        raise errors.DiskRefused(name, 'its format is neither qcow2 nor raw')
    backing_file = info.get('backing_file') or ''
    if not isinstance(backing_file, str):
        raise errors.DiskRefused(name, 'its backing file is not a name')
    try:
        note = annotation.read(info)
    except annotation.BadAnnotation as exc:
        raise errors.PayloadRefused(name, str(exc)) from exc
    return Announced(
        name=name,
        virtual_bytes=_virtual_bytes(name, info, note),
        backing_file=os.path.basename(backing_file),
        annotation=note,
    )


def assert_exact(
    disk: Announced, source: str, image_base: str | None, iso_image: bool
) -> None:
    """Refuse a disk without annotation unless it arrives bit for bit.

    libvirt copies a writable disk without a backing file whole, and one that
    is based on the instance's image as the difference to what this host
    fetches from Glance.

    :param source: the host that it comes from.
    :param image_base: name of the instance's image in the image cache.
    :param iso_image: the image is an ISO image, whose disk is read-only.
    :raises errors.InTreeSource: its content would be left behind.
    :raises errors.UnknownBase: nobody knows what its base holds.
    """
    base = disk.backing_file
    if disk.name == 'disk.config' or model.is_host_generated(base):
        raise errors.InTreeSource(source, [disk.name])
    if base:
        assert_image_base(disk, source, image_base)
    elif disk.name == 'disk' and iso_image:
        raise errors.InTreeSource(source, [disk.name])


def assert_image_base(
    disk: Announced, source: str, image_base: str | None
) -> None:
    """Refuse a base that Nova would fetch the instance's image into.

    :raises errors.UnknownBase: it is not that image's.
    """
    if not image_base or disk.backing_file != image_base:
        raise errors.UnknownBase(source, disk.name, disk.backing_file)


def assert_inline_sizes(
    sizes: Mapping[str, tuple[int, int]], flavor: Flavor, limit: int
) -> None:
    """Refuse inline disks that exceed what this host allows.

    A compressed byte may stand for a thousand, so both are limited.

    :param sizes: virtual size, and compressed bytes, by disk name.
    :param limit: this host's ``max_inline_bytes``.
    :raises errors.DiskRefused: one is too large, or all are together.
    """
    for name, (virtual_bytes, _) in sizes.items():
        most = max(_share(name, flavor), _LEAST_LIMIT, _INFLATION * limit)
        if virtual_bytes > most:
            raise errors.DiskRefused(
                name,
                f'its virtual size is {virtual_bytes} bytes, but the flavor '
                f'and [blockmig] max_inline_bytes allow at most {most} bytes '
                'on this host',
            )
    total = sum(packed for _, packed in sizes.values())
    if total > limit:
        raise errors.DiskRefused(
            ', '.join(sizes),
            f'{total} bytes of inline content exceed [blockmig] '
            f'max_inline_bytes, which is {limit} on this host',
        )


def _virtual_bytes(
    name: str,
    info: Mapping[str, Any],
    note: annotation.DiskAnnotation | None,
) -> int:
    size = info.get('virt_disk_size')
    if note is not None and note.virtual_bytes is not None:
        size = note.virtual_bytes
    if not annotation.is_size(size):
        raise errors.DiskRefused(name, 'its virtual size is invalid')
    return size


def _share(name: str, flavor: Flavor) -> int:
    if name == 'disk':
        return flavor.root_bytes
    if name == 'disk.swap':
        return flavor.swap_bytes
    if name == 'disk.config':
        return 0
    return flavor.ephemeral_bytes
