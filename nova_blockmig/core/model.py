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

"""The values that decisions are made of.

Sizes are bytes everywhere. Nothing here touches Nova, libvirt or a file.
"""

import dataclasses
import enum

from nova_blockmig.core import identity


class OverCommit(enum.StrEnum):
    """Which size of a disk the resource check compares.

    The members are the values of ``[blockmig] disk_over_commit``.
    """

    VIRTUAL = 'virtual'
    ACTUAL = 'actual'
    SKIP = 'skip'

    @classmethod
    def asked(cls, disk_over_commit: bool) -> 'OverCommit':
        """What a request means that says disk_over_commit."""
        return cls.ACTUAL if disk_over_commit else cls.VIRTUAL


@dataclasses.dataclass(frozen=True)
class Policy:
    """What the operator chose in ``[blockmig]``.

    :ivar max_inline_bytes: most compressed bytes that one migration may
        carry inside its disk info, all disks together.
    :ivar verify_base_images: compare the content of each image base on the
        destination with the source's before anything is copied.
    :ivar disk_over_commit: what a request that does not say (API
        microversion 2.25 and later) means for the disk check.
    """

    max_inline_bytes: int = 4 * 1024 * 1024
    verify_base_images: bool = True
    disk_over_commit: OverCommit = OverCommit.VIRTUAL


class BaseKind(enum.StrEnum):
    """Where the backing file of an overlay came from."""

    IMAGE = 'image'
    """The image cache's copy of the image that the instance was made of."""
    HOST_GENERATED = 'host-generated'
    """Made by mkfs or mkswap on the host: ``ephemeral_*``, ``swap_*``."""
    OTHER = 'other'
    """Anything else: another image, a snapshot's base, a longer chain."""


@dataclasses.dataclass(frozen=True)
class Base:
    """The backing file of an overlay.

    :ivar path: absolute path on the source.
    :ivar kind: where it came from.
    :ivar added_bytes: most that flattening adds to the overlay, and that its
        content adds to a disk that is made of it.
    :ivar key: which file it is; None if it is missing.
    :ivar certain: whether the file of this name is the one that the guest's
        QEMU has open. If not, only QEMU knows what the guest reads.
    """

    path: str
    kind: BaseKind
    added_bytes: int
    key: identity.Key | None
    certain: bool


@dataclasses.dataclass(frozen=True)
class Disk:
    """One local disk of an instance, as its compute host sees it.

    :ivar name: the file's name in the instance directory: ``disk.eph0``.
    :ivar path: absolute path on the source.
    :ivar target: the guest's device name: ``vdb``.
    :ivar format: ``qcow2`` or ``raw``, as the domain XML says.
    :ivar virtual_bytes: size of the disk as the guest sees it.
    :ivar allocated_bytes: what the file itself occupies, without its base.
    :ivar read_only: libvirt never copies such a disk.
    :ivar file: False for a block device (LVM).
    :ivar readable: False if the format holds the content elsewhere or
        encrypted (a qcow2 data file, LUKS).
    """

    name: str
    path: str
    target: str
    format: str
    virtual_bytes: int
    allocated_bytes: int
    read_only: bool = False
    file: bool = True
    readable: bool = True
    base: Base | None = None


def is_host_generated(base_name: str) -> bool:
    """Whether Nova's image cache makes a base of this name with mkfs, mkswap.

    As ``LibvirtDriver._create_images_and_backing`` tells them.
    """
    return base_name.startswith(('ephemeral', 'swap'))


class TransferMethod(enum.StrEnum):
    """How the destination comes by what libvirt does not copy."""

    COPY = 'copy'
    """Nothing stays behind: libvirt copies the whole disk."""
    FETCH = 'fetch'
    """The image cache of the destination fetches the base from Glance."""
    INLINE = 'inline'
    """The content goes, compressed, inside the disk info."""
    FLATTEN = 'flatten'
    """The base is pulled into the overlay on the source first."""
    REFUSE = 'refuse'
    """None of these can be done: nothing moves."""


@dataclasses.dataclass(frozen=True)
class DiskPlan:
    """How one disk is transferred, and why."""

    disk: Disk
    method: TransferMethod
    reason: str
