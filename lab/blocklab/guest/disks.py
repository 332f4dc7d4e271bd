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

"""The disks of an instance, as a compute host has them."""

from dataclasses import dataclass
import json
from pathlib import Path
from xml.etree import ElementTree

from blocklab.guest import image_digest
from blocklab.machine.errors import LabError
from blocklab.machine.host import Host

# Inside the host; on the same file system as the instances.
_SCRATCH = '/var/lib/nova'
_INSTANCES = '/var/lib/nova/instances'


@dataclass(frozen=True)
class Device:
    """A disk of a domain.

    :ivar target: name of the device in the domain's XML, such as vda.
    :ivar path: the image file, as the host sees it.
    :ivar format: what QEMU reads it as: raw or qcow2.
    """

    target: str
    path: str
    format: str
    is_cdrom: bool

    @property
    def name(self) -> str:
        """Nova's name of the disk: disk, disk.eph0, disk.swap ...

        A volume has Cinder's name: volume-UUID.
        """
        return Path(self.path).name

    @property
    def is_local(self) -> bool:
        """Whether it is the host's own, and no volume."""
        return Path(self.path).is_relative_to(_INSTANCES)


@dataclass(frozen=True)
class DiskSize:
    """How large a disk is; the fields are those of `DiskState`."""

    virtual_bytes: int
    allocated_bytes: int
    backing: str | None


@dataclass(frozen=True)
class DiskState:
    """A disk at one moment.

    :ivar name: Nova's name: disk, disk.eph0, disk.swap, disk.config.
    :ivar allocated_bytes: of the image itself, not of its backing file.
    :ivar backing: file name of the backing file, or None.
    :ivar sha256: of what the guest reads, over the whole virtual size.
    """

    name: str
    virtual_bytes: int
    allocated_bytes: int
    backing: str | None
    sha256: str


def devices(host: Host, domain: str) -> list[Device]:
    """The disks that libvirt says the domain has, files only.

    :param domain: name or UUID.
    :raises CommandFailed: the host has no such domain.
    """
    return parse_devices(host.run(['virsh', 'dumpxml', domain]))


def parse_devices(domain_xml: str) -> list[Device]:
    """The disks in the XML of a domain."""
    found = []
    domain = ElementTree.fromstring(domain_xml)  # noqa: S314 - libvirt's
    for disk in domain.iter('disk'):
        path = _attribute(disk, 'source', 'file')
        if path:
            found.append(
                Device(
                    target=_attribute(disk, 'target', 'dev'),
                    path=path,
                    format=_attribute(disk, 'driver', 'type'),
                    is_cdrom=disk.get('device') == 'cdrom',
                )
            )
    return found


def _attribute(disk: ElementTree.Element, child: str, name: str) -> str:
    found = disk.find(child)
    return '' if found is None else found.get(name, '')


def states(
    host: Host,
    domain: str,
    *,
    read_only: bool = False,
    content_only: bool = False,
) -> dict[str, DiskState]:
    """Name -> state of every local disk, hashed as the guest reads it.

    A disk of 20 GiB takes about 11 s of one processor.

    :param read_only: only the disks that nobody can write to. The others
        can be hashed only while the guest is paused: QEMU keeps metadata
        of a running guest's disk in memory.
    :param content_only: leave what is all zeroes out of the digests, which
        then compare only with others that were made so.
    :raises LabError: the guest is running, or a disk
        cannot be read.
    """
    chosen = [
        f'{device.format}:{device.path}'
        for device in devices(host, domain)
        if device.is_local and (device.is_cdrom or not read_only)
    ]
    if not read_only:
        _require_paused(host, domain)
    how = ['--content'] if content_only else []
    said = host.run(
        ['python3', '-B', image_digest.__file__, *how, _SCRATCH, *chosen]
    )
    return {state.name: state for state in map(_state, json.loads(said))}


def sizes(host: Host, domain: str) -> dict[str, DiskSize]:
    """Name -> size of every local disk; of a running guest as well.

    :raises CommandFailed: the host has no such domain.
    """
    found = {}
    for device in filter(lambda each: each.is_local, devices(host, domain)):
        said = host.run(
            ['qemu-img', 'info', '--force-share', '-f', device.format,
             '--output=json', device.path]
        )  # fmt: skip
        info = json.loads(said)
        backing = info.get('backing-filename')
        found[device.name] = DiskSize(
            info['virtual-size'],
            info['actual-size'],
            backing and Path(backing).name,
        )
    return found


def _state(described: dict[str, object]) -> DiskState:
    backing = described['backing_file']
    return DiskState(
        name=Path(str(described['path'])).name,
        virtual_bytes=int(str(described['virtual_bytes'])),
        allocated_bytes=int(str(described['allocated_bytes'])),
        backing=None if backing is None else Path(str(backing)).name,
        sha256=str(described['sha256']),
    )


def _require_paused(host: Host, domain: str) -> None:
    state = host.run(['virsh', 'domstate', domain]).strip()
    if state not in ('paused', 'shut off'):
        raise LabError(
            f'The guest {domain} on {host.name} is {state}: its disks '
            f'cannot be hashed truly.',
            'Pause it first.',
        )
