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

"""The disks that a source announces, as this host is ready to make them."""

from collections.abc import Iterable
import dataclasses

from nova.virt.libvirt import imagecache

from nova_blockmig.compute import nova_types
from nova_blockmig.core import annotation
from nova_blockmig.core import arriving
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.host import sealing


@dataclasses.dataclass(frozen=True)
class ArrivingDisk:
    """One disk that was accepted.

    :ivar info: its entry for Nova: the true size, and no backing file
        unless Nova is to fetch it.
    :ivar annotation: what the source said; None for the in-tree driver.
    :ivar packed: its content, if it came inline.
    """

    info: nova_types.DiskInfo
    annotation: annotation.DiskAnnotation | None
    packed: content.Packed | None


def accept(
    instance: nova_types.Instance,
    disk_info: Iterable[nova_types.DiskInfo],
    source: str,
    keys: sealing.KeyPair,
    max_inline_bytes: int,
) -> tuple[ArrivingDisk, ...]:
    """Check and decrypt what came with a migration. Makes nothing.

    Does not need the pre-check to have run.

    :param source: the host that the instance comes from.
    :param keys: the ones whose public key this host gave away.
    :param max_inline_bytes: this host's limit.
    :raises errors.Refused: a disk is not accepted, so none is.
    """
    image_base = _image_base(instance)
    iso_image = _is_iso(instance)
    disks: dict[str, ArrivingDisk] = {}
    inline: dict[str, tuple[int, int]] = {}
    for info in disk_info:
        announced = arriving.read(info)
        if announced.name in disks:
            raise errors.DiskRefused(announced.name, 'it is listed twice')
        note = announced.annotation
        packed = None
        if note is None:
            arriving.assert_exact(announced, source, image_base, iso_image)
        elif note.method is model.TransferMethod.FETCH:
            arriving.assert_image_base(announced, source, image_base)
        elif note.method is model.TransferMethod.INLINE:
            packed = _packed(instance, announced.name, note, keys)
            inline[announced.name] = announced.virtual_bytes, len(packed.data)
        disks[announced.name] = ArrivingDisk(
            _for_nova(info, announced), note, packed
        )
    arriving.assert_inline_sizes(inline, _flavor(instance), max_inline_bytes)
    return tuple(disks.values())


def _for_nova(
    info: nova_types.DiskInfo, announced: arriving.Announced
) -> nova_types.DiskInfo:
    note = announced.annotation
    fields = {**info, 'virt_disk_size': announced.virtual_bytes}
    if note is not None and note.method is not model.TransferMethod.FETCH:
        fields['backing_file'] = ''
    return fields


def _packed(
    instance: nova_types.Instance,
    disk: str,
    note: annotation.DiskAnnotation,
    keys: sealing.KeyPair,
) -> content.Packed:
    if note.packed is not None:
        return note.packed
    sealed = note.sealed
    if sealed is None:
        raise errors.PayloadRefused(disk, 'it has no content')
    if sealed.recipient != keys.public_key:
        raise errors.DestinationRestarted(disk)
    context = sealing.Context(instance.uuid, disk)
    try:
        opened = keys.open(sealed.sender, context, sealed.data)
        return content.Packed.from_bytes(opened)
    except sealing.CannotOpen as exc:
        raise errors.PayloadRefused(disk, 'it cannot be decrypted') from exc
    except content.BadPayload as exc:
        raise errors.PayloadRefused(disk, str(exc)) from exc


def _image_base(instance: nova_types.Instance) -> str | None:
    if not instance.image_ref:
        return None
    return str(imagecache.get_cache_fname(instance.image_ref))


def _is_iso(instance: nova_types.Instance) -> bool:
    meta = instance.image_meta
    return bool(
        meta.obj_attr_is_set('disk_format') and meta.disk_format == 'iso'
    )


def _flavor(instance: nova_types.Instance) -> arriving.Flavor:
    flavor = instance.flavor
    return arriving.Flavor.of(flavor.root_gb, flavor.ephemeral_gb, flavor.swap)
