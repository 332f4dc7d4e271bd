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

"""Nova's disk info, read from image headers.

Nova runs qemu-img twice for every qcow2 disk of every instance whenever the
resource tracker sums up what is over-committed. The header says the same.
Whatever is not sure to be read right here is left to Nova.
"""

from collections.abc import Callable
import copy
import os

from nova.objects import fields
from nova.virt import driver as virt_driver
from nova.virt import images

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.host import headers

DiskInfo = nova_types.DiskInfo
InTree = Callable[
    [libvirt_types.GuestConfig, nova_types.BlockDeviceInfo], list[DiskInfo]
]
"""Nova's ``_get_instance_disk_info_from_config``."""


def instance_disk_info(
    guest_config: libvirt_types.GuestConfig,
    block_device_info: nova_types.BlockDeviceInfo,
    in_tree: InTree,
) -> list[DiskInfo]:
    """What Nova's ``_get_instance_disk_info_from_config`` returns.

    Same dicts, same order, same exceptions: a disk that cannot be read here
    is left to Nova, whose error is then what the caller gets.

    :param guest_config: nova's LibvirtConfigGuest.
    :param in_tree: asked for the devices that are not answered here.
    """
    volumes = _volume_devices(block_device_info)
    container = guest_config.os_type == fields.VMMode.EXE
    infos: list[DiskInfo] = []
    left: list[libvirt_types.GuestDevice] = []
    for device in guest_config.devices:
        info = None if container else disk_info_for(device, volumes)
        if info is None:
            left.append(device)
            continue
        infos += _ask(in_tree, guest_config, block_device_info, left)
        infos.append(info)
        left = []
    return infos + _ask(in_tree, guest_config, block_device_info, left)


def disk_info_for(
    device: libvirt_types.GuestDevice, volumes: set[str]
) -> DiskInfo | None:
    """Nova's disk info of one device, if it is a local qcow2 file.

    :param device: one of nova's LibvirtConfigGuestDevice.
    :param volumes: names of the guest's devices that are volumes.
    :returns: None if Nova has to answer.
    """
    if (
        device.root_name != 'disk'
        or device.source_type != 'file'
        or device.driver_format != 'qcow2'
        or not device.source_path
        or device.target_dev in volumes
    ):
        return None
    try:
        header = headers.read_header(device.source_path)
    except OSError:
        return None
    # qemu-img adds what a data file occupies.
    if header is None or header.has_data_file or header.encrypted:
        return None
    backing_file = header.backing_file
    return {
        'type': device.driver_format,
        'path': device.source_path,
        'virt_disk_size': header.virtual_bytes,
        'backing_file': backing_file and os.path.basename(backing_file),
        'disk_size': header.allocated_bytes,
        'over_committed_disk_size': max(
            0, header.virtual_bytes - header.allocated_bytes
        ),
    }


def image_header(path: str) -> headers.ImageHeader:
    """The header of a qcow2 file, from qemu-img where need be.

    :raises OSError: it cannot be read.
    :raises nova.exception.DiskNotFound: it went away meanwhile.
    :raises nova.exception.InvalidDiskInfo: qemu-img cannot read it, or it is
        no qcow2 file.
    """
    header = headers.read_header(path)
    if header is not None:
        return header
    info = images.qemu_img_info(path, format='qcow2')
    specific = (info.format_specific or {}).get('data', {})
    return headers.ImageHeader(
        format='qcow2',
        version=2 if specific.get('compat') == '0.10' else 3,
        virtual_bytes=info.virtual_size,
        allocated_bytes=info.disk_size,
        backing_file=info.backing_file,
        backing_format=info.backing_file_format,
        has_data_file='data-file' in specific,
        encrypted=bool(info.encrypted),
    )


def _volume_devices(block_device_info: nova_types.BlockDeviceInfo) -> set[str]:
    mapping = virt_driver.block_device_info_get_mapping(block_device_info)
    return {bdm['mount_device'].rpartition('/')[2] for bdm in mapping}


def _ask(
    in_tree: InTree,
    guest_config: libvirt_types.GuestConfig,
    block_device_info: nova_types.BlockDeviceInfo,
    devices: list[libvirt_types.GuestDevice],
) -> list[DiskInfo]:
    if not devices:
        return []
    some = copy.copy(guest_config)
    some.devices = devices
    return in_tree(some, block_device_info)
