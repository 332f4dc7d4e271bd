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

"""Which disk travels how.

One rule: what the destination cannot make again, bit for bit, does not stay
behind. libvirt's incremental block migration copies only what is allocated
in the overlay and skips read-only disks; everything else is decided here.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import enum

from nova_blockmig.core import model


class Peer(enum.StrEnum):
    """Which driver the other host runs."""

    BLOCKMIG = 'nova-blockmig'
    IN_TREE = 'in-tree'


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the plan depends on, besides the disks themselves.

    :ivar destination: the driver of the destination.
    :ivar image_available: Glance still hands out the instance's image.
    :ivar destination_digest: the content digest of the image's base in the
        destination's image cache; None if there is none, or it is not known.
    :ivar full_copy: libvirt is asked to copy whole disks
        (``VIR_MIGRATE_NON_SHARED_DISK``), bases included.
    :ivar max_inline_bytes: the destination's own limit, if it says.
    """

    destination: Peer
    image_available: bool = True
    destination_digest: str | None = None
    full_copy: bool = False
    max_inline_bytes: int | None = None

    def inline_limit(self, ours: int) -> int:
        """Most compressed bytes that both hosts allow for an instance."""
        if self.max_inline_bytes is None:
            return ours
        return min(ours, self.max_inline_bytes)


def may_inline(disk: model.Disk, facts: Facts) -> bool:
    """Whether the disk's content is worth packing.

    True for what travels inside the disk info if it is small enough: the
    host-generated base of an overlay and a whole read-only disk.
    """
    if facts.destination is not Peer.BLOCKMIG or not _can_move(disk):
        return False
    if disk.read_only:
        return disk.base is None and disk.format == 'raw'
    return (
        not facts.full_copy
        and disk.base is not None
        and disk.base.certain
        and disk.base.kind is model.BaseKind.HOST_GENERATED
    )


def needs_digest(disk: model.Disk, facts: Facts) -> bool:
    """Whether the destination has to find the base that the guest reads.

    For that it is told the base's digest.
    """
    return (
        facts.destination is Peer.BLOCKMIG
        and _can_move(disk)
        and not facts.full_copy
        and disk.base is not None
        and disk.base.certain
        and disk.base.kind is model.BaseKind.IMAGE
        and (facts.image_available or facts.destination_digest is not None)
    )


def disk_plans(
    disks: Iterable[model.Disk],
    facts: Facts,
    packed: Mapping[str, int | None],
    limit: int,
    digests: Mapping[str, str] = {},
) -> tuple[model.DiskPlan, ...]:
    """Decide for every disk of an instance.

    :param packed: compressed bytes by disk name for every disk for which
        :func:`may_inline` says so; None where they exceed the limit.
    :param limit: most compressed bytes for the instance as a whole.
    :param digests: by disk name, of the bases for which :func:`needs_digest`
        says so, if bases are to be compared.
    :returns: one plan per disk, in the order of the disks.
    """
    disks = tuple(disks)
    inlined = _choose_inline(disks, packed, limit)
    return tuple(_plan(disk, facts, inlined, digests) for disk in disks)


def _choose_inline(
    disks: tuple[model.Disk, ...],
    packed: Mapping[str, int | None],
    limit: int,
) -> frozenset[str]:
    """Names of the disks that are inlined, within the limit.

    Read-only disks first, for nothing else can be done for them; then the
    smallest, so that as few disks as possible have to be flattened.
    """
    sized = [(d, packed[d.name]) for d in disks if d.name in packed]
    chosen: set[str] = set()
    left = limit
    for disk, size in sorted(
        ((d, s) for d, s in sized if s is not None),
        key=lambda item: (not item[0].read_only, item[1], item[0].name),
    ):
        if size <= left:
            chosen.add(disk.name)
            left -= size
    return frozenset(chosen)


def _can_move(disk: model.Disk) -> bool:
    return disk.file and disk.readable


def _plan(
    disk: model.Disk,
    facts: Facts,
    inlined: frozenset[str],
    digests: Mapping[str, str],
) -> model.DiskPlan:
    def by(method: model.TransferMethod, reason: str) -> model.DiskPlan:
        return model.DiskPlan(disk=disk, method=method, reason=reason)

    if not disk.file:
        return by(
            model.TransferMethod.REFUSE,
            'it is a block device on the source host (images_type = lvm), '
            'which block migration cannot create on the destination',
        )
    if not disk.readable:
        return by(
            model.TransferMethod.REFUSE,
            'its qcow2 header specifies encryption or an external data file',
        )
    if disk.read_only:
        return _plan_read_only(disk, facts, inlined)
    if disk.base is None:
        return by(model.TransferMethod.COPY, 'it has no backing file')
    if facts.full_copy:
        if facts.destination is Peer.IN_TREE:
            return by(
                model.TransferMethod.FLATTEN,
                'the whole disk is copied, and the in-tree driver on the '
                'destination would give it a backing file',
            )
        return by(
            model.TransferMethod.COPY, 'VIR_MIGRATE_NON_SHARED_DISK is set'
        )
    if not disk.base.certain:
        return by(
            model.TransferMethod.FLATTEN,
            'its base is missing, or may have been replaced since QEMU '
            'opened it',
        )
    if disk.base.kind is model.BaseKind.OTHER:
        return by(
            model.TransferMethod.FLATTEN, 'its base is not a Glance image'
        )
    if disk.base.kind is model.BaseKind.IMAGE:
        return _plan_image(disk, facts, digests.get(disk.name))
    if disk.name in inlined:
        return by(
            model.TransferMethod.INLINE, 'its base was generated on the source'
        )
    if facts.destination is Peer.IN_TREE:
        return by(
            model.TransferMethod.FLATTEN,
            'its base was generated on the source and the destination runs '
            'the in-tree driver',
        )
    return by(
        model.TransferMethod.FLATTEN,
        'its base exceeds [blockmig] max_inline_bytes',
    )


def _plan_image(
    disk: model.Disk, facts: Facts, digest: str | None
) -> model.DiskPlan:
    """A disk whose base is the instance's image.

    :param digest: of the base; None if bases are not to be compared.
    """
    there = facts.destination_digest
    if there is not None and digest not in (None, there):
        method = model.TransferMethod.FLATTEN
        reason = 'the cached base of its image differs on the destination'
    elif there is not None:
        method = model.TransferMethod.FETCH
        reason = 'its base is in the image cache of the destination'
    elif facts.image_available:
        method = model.TransferMethod.FETCH
        reason = 'its base is a Glance image'
    else:
        method = model.TransferMethod.FLATTEN
        reason = 'its image is not available from Glance'
    return model.DiskPlan(disk=disk, method=method, reason=reason)


def _plan_read_only(
    disk: model.Disk, facts: Facts, inlined: frozenset[str]
) -> model.DiskPlan:
    if disk.name in inlined:
        return model.DiskPlan(
            disk,
            model.TransferMethod.INLINE,
            'libvirt does not copy read-only disks',
        )
    if disk.base is not None and disk.base.kind is model.BaseKind.IMAGE:
        return _plan_iso(disk, facts)
    if facts.destination is Peer.IN_TREE:
        reason = (
            'it is read-only and a destination with the in-tree driver would '
            'leave it blank'
        )
    elif disk.base is not None or disk.format != 'raw':
        reason = 'it is read-only and not a raw file without a backing file'
    else:
        reason = 'it is read-only and exceeds [blockmig] max_inline_bytes'
    return model.DiskPlan(disk, model.TransferMethod.REFUSE, reason)


_EMPTY_OVERLAY_BYTES = 1024 * 1024
"""An overlay that was never written to occupies 200 KiB."""


def _plan_iso(disk: model.Disk, facts: Facts) -> model.DiskPlan:
    """The root disk of an instance that was booted from an ISO image.

    libvirt does not copy it, and Nova makes it again as it was: an empty
    overlay on the image. So does the in-tree driver.
    """
    method = model.TransferMethod.REFUSE
    if not facts.image_available:
        reason = 'it is read-only, and its image is not available from Glance'
    elif disk.allocated_bytes > _EMPTY_OVERLAY_BYTES:
        reason = 'it is read-only and differs from its image'
    else:
        method = model.TransferMethod.FETCH
        reason = 'it is read-only and its base is a Glance image'
    return model.DiskPlan(disk, method, reason)
