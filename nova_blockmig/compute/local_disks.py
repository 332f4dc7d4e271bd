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

"""The local disks of an instance, from its domain and their headers."""

from collections.abc import Iterable
import contextlib
import os

from nova import exception
from nova.virt.libvirt import imagecache

from nova_blockmig.compute import disk_info
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import offload
from nova_blockmig.core import blocks
from nova_blockmig.core import errors
from nova_blockmig.core import identity as identities
from nova_blockmig.core import model
from nova_blockmig.host import headers
from nova_blockmig.host import identity
from nova_blockmig.host import sparse


def local_disks(
    instance: nova_types.Instance,
    guest_config: libvirt_types.GuestConfig,
    infos: Iterable[nova_types.DiskInfo],
) -> tuple[model.Disk, ...]:
    """Describe every disk that Nova's disk info lists.

    :param guest_config: nova's LibvirtConfigGuest of the instance.
    :param infos: what ``_get_instance_disk_info_from_config`` returned for
        it; volumes are not among them.
    :raises errors.SourceUnreadable: a disk or its base cannot be read. A base
        that is missing is no such error: its guest reads it all the same.
    """
    devices = {
        device.source_path: device
        for device in guest_config.devices
        if device.root_name == 'disk'
    }
    image_base = (
        imagecache.get_cache_fname(instance.image_ref)
        if instance.image_ref
        else None
    )
    return tuple(
        _disk(instance.uuid, info, devices[info['path']], image_base)
        for info in infos
        if info['path'] in devices
    )


def not_copied(
    guest_config: libvirt_types.GuestConfig, disks: Iterable[model.Disk]
) -> tuple[str, ...]:
    """The guest's devices that hold something and that libvirt won't copy.

    Volumes, disks that are read-only, and the flash memory of UEFI firmware:
    code and variables, each of which is a disk to QEMU.
    """
    copied = {disk.path for disk in disks if not disk.read_only}
    found = [
        device.target_dev
        for device in guest_config.devices
        if device.root_name == 'disk'
        and (device.source_path or device.source_name)
        and device.source_path not in copied
    ]
    if guest_config.os_loader_type == 'pflash':
        found.append('UEFI firmware')
    return tuple(found)


def _disk(
    instance_uuid: str,
    info: nova_types.DiskInfo,
    device: libvirt_types.GuestDevice,
    image_base: str | None,
) -> model.Disk:
    path = info['path']
    name = os.path.basename(path)
    base = None
    readable = True
    if info['type'] == 'qcow2':
        header = _header(name, path)
        readable = not (header.encrypted or header.has_data_file)
        if header.backing_file:
            base = _base(instance_uuid, path, header, image_base)
    return model.Disk(
        name=name,
        path=path,
        target=device.target_dev,
        format=info['type'],
        virtual_bytes=int(info['virt_disk_size']),
        allocated_bytes=int(info['disk_size']),
        read_only=bool(device.readonly) or device.source_device == 'cdrom',
        file=device.source_type == 'file',
        readable=readable,
        base=base,
    )


def _header(name: str, path: str) -> headers.ImageHeader:
    try:
        return disk_info.image_header(path)
    except OSError as exc:
        raise errors.SourceUnreadable(
            name, path, exc.strerror or str(exc)
        ) from exc
    except (exception.InvalidDiskInfo, exception.DiskNotFound) as exc:
        raise errors.SourceUnreadable(name, path, str(exc)) from exc


def _base(
    instance_uuid: str,
    overlay: str,
    header: headers.ImageHeader,
    image_base: str | None,
) -> model.Base:
    """What the overlay lies on.

    :param overlay: its path.
    :param image_base: what the base of the instance's image is called.
    """
    path = os.path.join(os.path.dirname(overlay), str(header.backing_file))
    try:
        file = identity.of_path(path)
    except OSError:
        file = None
    if file is None or not os.path.isfile(path):
        # QEMU has it open nevertheless.
        return model.Base(
            path,
            kind=model.BaseKind.OTHER,
            added_bytes=_added_bytes(path, header, None),
            key=None,
            certain=False,
        )
    under = None
    if header.backing_format == 'qcow2':
        # QEMU reads it, whether we can or not.
        with contextlib.suppress(errors.SourceUnreadable):
            under = _header(os.path.basename(overlay), path)
    return model.Base(
        path,
        kind=_kind(path, header, under, image_base),
        added_bytes=_added_bytes(path, header, under),
        key=file.key,
        certain=_certain(instance_uuid, overlay, file),
    )


def _kind(
    path: str,
    overlay: headers.ImageHeader,
    under: headers.ImageHeader | None,
    image_base: str | None,
) -> model.BaseKind:
    """Where a base came from.

    The name decides, as it does in Nova's image cache: ``ephemeral_*`` and
    ``swap_*`` are made by the host, the SHA-1 of the image's id is the image.
    What Nova does not make like that is flattened rather than guessed at. An
    overlay that does not name the format of its base is not trusted with it:
    QEMU would guess from what the image's owner wrote there.

    :param under: the base's own header, if it is a qcow2 file.
    """
    name = os.path.basename(path)
    raw = overlay.backing_format == 'raw'
    alone = under is not None and not (
        under.backing_file or under.has_data_file or under.encrypted
    )
    if name == image_base and (raw or alone):
        return model.BaseKind.IMAGE
    if (
        model.is_host_generated(name)
        and raw
        and os.path.getsize(path) <= overlay.virtual_bytes
    ):
        return model.BaseKind.HOST_GENERATED
    return model.BaseKind.OTHER


def _added_bytes(
    path: str,
    overlay: headers.ImageHeader,
    under: headers.ImageHeader | None,
) -> int:
    """Most that block-stream adds to the overlay.

    Of a raw base that is what it holds, in clusters of the overlay. Whatever
    else, compressed clusters and further bases among it, adds as much as it
    shows of a disk at most.
    """
    limit = overlay.virtual_bytes
    data = limit
    if overlay.backing_format == 'raw':
        with contextlib.suppress(OSError):
            data = offload.run(sparse.data_bytes, path)
    elif under is not None:
        data = under.virtual_bytes
    return blocks.qcow2_bytes(min(limit, data), limit)


def _certain(
    instance_uuid: str, overlay: str, base: identities.FileIdentity
) -> bool:
    """Whether a base is the one that the guest's QEMU has open."""
    try:
        over = identity.of_path(overlay)
    except OSError:
        return False
    return identities.older_than_overlay(
        base, over
    ) or identities.older_than_process(
        base, offload.run(identity.qemu_started_ns, instance_uuid)
    )
