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
from collections.abc import Mapping
import os
from typing import Any

from nova import exception
from nova.virt.libvirt import imagecache

from nova_blockmig.compute import disk_info
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.host import headers


def local_disks(
    instance: Any,
    guest_config: Any,
    infos: Iterable[Mapping[str, Any]],
) -> tuple[model.Disk, ...]:
    """Describe every disk that Nova's disk info lists.

    :param guest_config: nova's LibvirtConfigGuest of the instance.
    :param infos: what ``_get_instance_disk_info_from_config`` returned for
        it; volumes are not among them.
    :raises errors.SourceUnreadable: a disk or its base cannot be read.
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
        _disk(info, devices[info['path']], image_base)
        for info in infos
        if info['path'] in devices
    )


def not_copied(
    guest_config: Any, disks: Iterable[model.Disk]
) -> tuple[str, ...]:
    """The guest's devices that hold something and that libvirt won't copy.

    Volumes, and disks that are read-only.
    """
    copied = {disk.path for disk in disks if not disk.read_only}
    return tuple(
        device.target_dev
        for device in guest_config.devices
        if device.root_name == 'disk'
        and (device.source_path or device.source_name)
        and device.source_path not in copied
    )


def _disk(
    info: Mapping[str, Any], device: Any, image_base: str | None
) -> model.Disk:
    path = info['path']
    name = os.path.basename(path)
    base = None
    readable = True
    if info['type'] == 'qcow2':
        header = _header(name, path)
        readable = not (header.encrypted or header.has_data_file)
        if header.backing_file:
            backing = os.path.join(os.path.dirname(path), header.backing_file)
            base = _base(name, backing, header, image_base)
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
    name: str,
    base: str,
    header: headers.ImageHeader,
    image_base: str | None,
) -> model.Base:
    """What the overlay stands on.

    The name decides, as it does in Nova's image cache: ``ephemeral_*`` and
    ``swap_*`` are made by the host, the SHA-1 of the image's id is the image.
    What Nova does not make like that is flattened rather than guessed at.
    """
    if not os.path.isfile(base):
        raise errors.SourceUnreadable(
            name, base, 'the backing file is not there'
        )
    kind = model.BaseKind.OTHER
    base_name = os.path.basename(base)
    if base_name == image_base and _stands_alone(name, base, header):
        kind = model.BaseKind.IMAGE
    elif (
        base_name.startswith(('ephemeral_', 'swap_'))
        and header.backing_format == 'raw'
        and os.path.getsize(base) <= header.virtual_bytes
    ):
        kind = model.BaseKind.HOST_GENERATED
    return model.Base(base, kind)


def _stands_alone(name: str, base: str, overlay: headers.ImageHeader) -> bool:
    """Whether an image base holds all of its own content.

    An overlay that does not name the format of its base is not trusted with
    it: QEMU would guess from what the image's owner wrote there.
    """
    if overlay.backing_format == 'raw':
        return True
    if overlay.backing_format != 'qcow2':
        return False
    under = _header(name, base)
    return not (under.backing_file or under.has_data_file or under.encrypted)
