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

"""The disk info of a host's guests, read from headers or from qemu-img.

Nova's resource tracker asks for it at each run of its periodic task, and a
migration for that of its one guest.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import os
import shutil
import subprocess
import tempfile
from typing import Any
from unittest import mock
import uuid

from nova import objects
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as in_tree
from oslo_concurrency import processutils

from nova_blockmig import driver as blockmig
from nova_blockmig.tests.bench import measure
from nova_blockmig.tests.bench import rows

GUESTS = {'tiny': (1, 2), 'normal': (1, 10, 100, 500)}
DISKS = {'tiny': (1,), 'normal': (1, 4, 25)}
# qemu-img for 500 disks takes minutes.
ONCE_FROM = 500


class _Domain:
    def __init__(self, config: Any) -> None:
        self._uuid, self._xml = config.uuid, config.to_xml()

    def UUIDString(self) -> str:  # noqa: N802, libvirt's name
        return str(self._uuid)

    def XMLDesc(self, flags: int = 0) -> str:  # noqa: N802
        return str(self._xml)


def run(options: rows.Options) -> Iterator[rows.Case]:
    objects.register_all()
    with tempfile.TemporaryDirectory() as directory:
        images = _images(directory, max(options.choose(**GUESTS)))
        for count in options.choose(**GUESTS):
            guests = [_guest([image]) for image in images[:count]]
            yield _case('periodic task', count, guests, options.turns)
        for count in options.choose(**DISKS):
            guests = [_guest(images[:count])]
            yield _case('migration', count, guests, options.turns)


def _case(
    kind: str, count: int, guests: Sequence[Any], turns: int
) -> rows.Case:
    processes = {'nova': 0, 'ours': 0}
    execute = processutils.execute

    def side(name: str, driver: Any) -> Any:
        def call() -> Any:
            def counting(*words: Any, **more: Any) -> Any:
                processes[name] += 1
                return execute(*words, **more)

            with mock.patch.object(processutils, 'execute', counting):
                if kind == 'migration':
                    return driver._get_instance_disk_info_from_config(
                        guests[0], None
                    )
                return driver._get_disk_over_committed_size_total()

        return call

    domains = [_Domain(guest) for guest in guests]
    turns = 1 if count >= ONCE_FROM else turns
    with _no_database():
        found = measure.turns(
            {
                'nova': side('nova', _driver(in_tree, domains)),
                'ours': side('ours', _driver(blockmig, domains)),
            },
            turns,
        )
    return {
        'kind': kind,
        'disks': count,
        'turns': turns,
        'nova_seconds': measure.median(found['nova']),
        'ours_seconds': measure.median(found['ours']),
        'nova_cpu_seconds': measure.median(found['nova'], 'cpu_seconds'),
        'ours_cpu_seconds': measure.median(found['ours'], 'cpu_seconds'),
        'nova_processes': processes['nova'] // turns,
        'ours_processes': processes['ours'] // turns,
        'faster': measure.ratio(found['nova'], found['ours']),
        'equal': 'yes'
        if len({repr(one.result) for each in found.values() for one in each})
        == 1
        else 'no',
    }


def _driver(module: Any, domains: Sequence[_Domain]) -> Any:
    driver = object.__new__(module.LibvirtDriver)
    driver._host = mock.Mock()
    driver._host.list_instance_domains.return_value = domains
    driver._check = mock.Mock()
    return driver


@contextlib.contextmanager
def _no_database() -> Iterator[None]:
    """The instances are the database's affair, and the same for both."""
    with (
        mock.patch.object(
            objects.InstanceList, 'get_by_filters', return_value=[]
        ),
        mock.patch.object(
            objects.BlockDeviceMappingList,
            'bdms_by_instance_uuid',
            return_value={},
        ),
    ):
        yield


def _images(directory: str, count: int) -> list[str]:
    base = os.path.join(directory, 'base')
    with open(base, 'wb') as file:
        file.truncate(2**30)
    first = os.path.join(directory, 'first')
    subprocess.run(
        [
            *('qemu-img', 'create', '-q', '-f', 'qcow2'),
            *('-b', base, '-F', 'raw', first, '10G'),
        ],
        check=True,
    )
    images = []
    for number in range(count):
        path = os.path.join(directory, f'{number}.qcow2')
        shutil.copyfile(first, path)
        images.append(path)
    return images


def _guest(images: Sequence[str]) -> Any:
    guest = vconfig.LibvirtConfigGuest()
    guest.virt_type = 'qemu'
    guest.name = 'guest'
    guest.uuid = str(uuid.uuid4())
    guest.memory = 2**20
    guest.os_type = 'hvm'
    for number, path in enumerate(images):
        disk = vconfig.LibvirtConfigGuestDisk()
        disk.source_type = 'file'
        disk.driver_name = 'qemu'
        disk.driver_format = 'qcow2'
        disk.source_path = path
        disk.target_bus = 'virtio'
        disk.target_dev = f'vd{chr(ord("a") + number)}'
        guest.add_device(disk)
    return guest


ROW = rows.Row(
    name='disk-info',
    title='Disk info',
    run=lambda options: list(run(options)),
    columns=(
        rows.Column('For', 'kind'),
        rows.Column('Disks', 'disks'),
        rows.Column('Nova, s', 'nova_seconds', '.3f'),
        rows.Column('nova-blockmig, s', 'ours_seconds', '.4f'),
        rows.Column('Nova, processor s', 'nova_cpu_seconds', '.3f'),
        rows.Column('nova-blockmig, processor s', 'ours_cpu_seconds', '.4f'),
        rows.Column('Nova, processes', 'nova_processes'),
        rows.Column('nova-blockmig, processes', 'ours_processes'),
        rows.Column('Times faster', 'faster', '.0f'),
        rows.Column('Same answer', 'equal'),
    ),
    plots=(
        rows.Plot(
            title='Disk info in the periodic task',
            across='disks',
            across_title='disks on the host',
            up_title='seconds',
            lines=(
                ('Nova', 'nova_seconds'),
                ('nova-blockmig', 'ours_seconds'),
            ),
            only='periodic task',
        ),
    ),
)
