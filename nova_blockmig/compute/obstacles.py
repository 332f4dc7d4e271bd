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

"""What keeps a guest here besides the content of its disks.

What is in a disk, or known of it, no copy takes along: a mirror copies what a
guest reads. Snapshots inside a qcow2 file are not among that: they would
vanish without a word. libvirt refuses a domain of which it knows snapshots or
checkpoints, but only when Nova has begun.
"""

from collections.abc import Iterable

from nova import exception
from nova.virt import images
from nova.virt.libvirt import driver as libvirt_driver

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.core import errors
from nova_blockmig.core import handshake
from nova_blockmig.core import machine_type
from nova_blockmig.core import model
from nova_blockmig.host import headers


def assert_none(
    guest: libvirt_types.Guest, disks: Iterable[model.Disk]
) -> None:
    """Refuse a migration that would lose something besides a disk's content.

    :param guest: nova's libvirt Guest of the instance.
    :raises errors.WouldBeLost: what, by name.
    :raises errors.SourceUnreadable: a disk's header cannot be read.
    """
    found = [*_known_to_libvirt(guest)]
    for disk in disks:
        if disk.format == 'qcow2' and disk.file:
            found += _inside(disk)
    if found:
        raise errors.WouldBeLost(found)


def assert_machine_type(
    driver: libvirt_types.Driver,
    instance: nova_types.Instance,
    peer: handshake.PeerInfo | None,
) -> None:
    """Refuse a guest of a kind that the destination's QEMU has not got.

    Nova's conductor sees to that unless it is told not to. libvirt refuses it
    before anything is copied, but when disks have been flattened already.

    :param peer: what the destination says of itself.
    :raises errors.MachineTypeTooNew: it is newer than the destination's QEMU.
    """
    if peer is None or peer.qemu_version is None:
        return
    kind = machine(driver, instance)
    if machine_type.is_too_new(kind, peer.qemu_version):
        raise errors.MachineTypeTooNew(kind)


def machine(
    driver: libvirt_types.Driver, instance: nova_types.Instance
) -> str:
    """The machine type of a guest; empty if its domain does not say."""
    config = driver._host.get_guest(instance).get_config()
    return config.os_mach_type or ''


def _known_to_libvirt(guest: libvirt_types.Guest) -> Iterable[str]:
    libvirt = libvirt_driver.libvirt
    for kind, method in (
        ('snapshot', 'listAllSnapshots'),
        ('checkpoint', 'listAllCheckpoints'),
    ):
        # Nova's fake libvirt has neither.
        list_all = getattr(guest._domain, method, None)
        try:
            known = list_all(0) if list_all else []
        except libvirt.libvirtError:
            # A hypervisor that has none; what libvirt itself refuses later
            # is refused before a byte is copied.
            continue
        for one in known:
            yield f'{kind} {one.getName()} of the domain'


def _inside(disk: model.Disk) -> Iterable[str]:
    """Snapshots inside of a disk.

    The header of a disk that has any is one that qemu-img has to read.
    """
    try:
        if headers.read_header(disk.path) is not None:
            return
        info = images.qemu_img_info(disk.path, format='qcow2')
    except OSError as exc:
        raise errors.SourceUnreadable(
            disk.name, disk.path, exc.strerror or str(exc)
        ) from exc
    except exception.NovaException as exc:
        raise errors.SourceUnreadable(disk.name, disk.path, str(exc)) from exc
    for snapshot in info.snapshots or ():
        yield f'internal snapshot {snapshot.get("name")} of {disk.name}'
