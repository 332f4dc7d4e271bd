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

"""What the source says of each disk to the destination."""

from collections.abc import Iterable

from nova_blockmig.compute import inspection
from nova_blockmig.compute import nova_types
from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.host import sealing


def annotated(
    instance: nova_types.Instance,
    infos: Iterable[nova_types.DiskInfo],
    found: inspection.Inspection,
    peer: handshake.PeerInfo,
) -> list[nova_types.DiskInfo]:
    """Nova's disk info, and in it how the destination comes by each disk.

    In the newest version that the destination speaks. From version 2 on, a
    destination with the in-tree driver, which would ignore it, either makes
    the same of the rest or fails before anything is copied.

    :raises errors.DestinationKey: the destination's public key is none.
    """
    disk_plans = {plan.disk.path: plan for plan in found.disk_plans}
    keys = sealing.KeyPair()
    version = peer.common_version
    result = []
    for info in infos:
        if disk_plan := disk_plans.get(info['path']):
            note = _annotation(disk_plan, found)
            if version > 1:
                info, note = _sealed(instance, info, note, keys, peer)
            info = {**info, annotation.KEY: note.to_json(version)}
        result.append(info)
    return result


def _annotation(
    disk_plan: model.DiskPlan, found: inspection.Inspection
) -> annotation.DiskAnnotation:
    name = disk_plan.disk.name
    match disk_plan.method:
        case model.TransferMethod.INLINE:
            return annotation.DiskAnnotation(
                model.TransferMethod.INLINE, packed=found.packed[name]
            )
        case model.TransferMethod.FETCH:
            return annotation.DiskAnnotation(
                model.TransferMethod.FETCH, digest=found.digests.get(name)
            )
        case _:
            return annotation.DiskAnnotation(model.TransferMethod.COPY)


def _sealed(
    instance: nova_types.Instance,
    info: nova_types.DiskInfo,
    note: annotation.DiskAnnotation,
    keys: sealing.KeyPair,
    peer: handshake.PeerInfo,
) -> tuple[nova_types.DiskInfo, annotation.DiskAnnotation]:
    """Version 2: nobody but the destination reads or misunderstands it."""
    if note.method is model.TransferMethod.FETCH:
        return info, note
    # The in-tree driver would give it a base. A disk that is copied whole
    # arrives without one there as well.
    fields = {**info, 'backing_file': ''}
    if note.packed is None:
        return fields, note
    fields['virt_disk_size'] = annotation.NEEDS_BLOCKMIG
    return fields, annotation.DiskAnnotation(
        note.method,
        sealed=_seal(instance, info, note.packed, keys, peer),
        virtual_bytes=int(info['virt_disk_size']),
    )


def _seal(
    instance: nova_types.Instance,
    info: nova_types.DiskInfo,
    packed: content.Packed,
    keys: sealing.KeyPair,
    peer: handshake.PeerInfo,
) -> annotation.Sealed:
    # Version 2 has one.
    recipient = peer.public_key or b''
    disk = info['path'].rpartition('/')[2]
    try:
        data = keys.seal(
            recipient, sealing.Context(instance.uuid, disk), packed.to_bytes()
        )
    except sealing.BadKey as exc:
        raise errors.DestinationKey() from exc
    return annotation.Sealed(recipient, keys.public_key, data)
