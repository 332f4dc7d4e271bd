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

"""What our rooms do for seconds, each begun where the driver begins it.

Whether the work is kept off the service's own thread is up to the rooms:
nothing here hands it to another one.
"""

from collections.abc import Callable
import functools
import os
import pathlib
import subprocess
import time
import types
from typing import Any

from nova import context as nova_context
import nova.conf
from nova.objects import migrate_data
from nova.virt.libvirt import imagecache

from nova_blockmig.compute import disk_info
from nova_blockmig.compute import flatten
from nova_blockmig.compute import image_cache
from nova_blockmig.compute import inline_disks
from nova_blockmig.compute import source
from nova_blockmig.core import annotation
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.host import digests

JOB_SECONDS = 1.4
"""How long the block-stream job takes that is waited for: three polls, so
that it shows if one of them holds the service up."""
ENOUGH = 2**40
"""More bytes than any content here packs to."""

INSTANCE = types.SimpleNamespace(
    uuid='1f7e8d0a-0000-4000-8000-000000000000',
    image_ref='c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11',
    vm_state='active',
)

Work = Callable[[], Any]


def all_of(directory: pathlib.Path, large: pathlib.Path) -> dict[str, Work]:
    """The works by name, to be done in this order.

    :param directory: where the disks are made.
    :param large: the file that is digested and packed, and whose content
        is made anew.
    """
    nova.conf.CONF.set_override('instances_path', str(directory))
    bases_of = directory / nova.conf.CONF.image_cache.subdirectory_name
    bases_of.mkdir()
    image = bases_of / imagecache.get_cache_fname(INSTANCE.image_ref)
    ephemeral = bases_of / 'ephemeral_1_40d1d2c'
    for base in (image, ephemeral):
        os.link(large, base)
    fetched = _checked(_overlay(directory / 'disk', image))
    carried = Carrying(_overlay(directory / 'disk.eph0', ephemeral))
    found = Digests(fetched)
    return {
        'digest on the source': found.on_source,
        'digest on the destination': found.on_destination,
        'pack': carried.pack,
        'fill': functools.partial(carried.fill, directory),
        'flatten': functools.partial(
            _flatten, _overlay(directory / 'disk.flat', None)
        ),
    }


class Driver:
    """A driver with a guest that has one disk."""

    _block_migration_flags = 0

    def __init__(self, disk: pathlib.Path) -> None:
        device = types.SimpleNamespace(
            root_name='disk',
            driver_format='qcow2',
            source_path=str(disk),
            source_type='file',
            source_device='disk',
            readonly=False,
            target_dev='vda',
        )
        config = types.SimpleNamespace(
            devices=[device], os_type='hvm', os_loader_type=None
        )
        guest = types.SimpleNamespace(
            get_config=lambda: config, _domain=object()
        )
        self._host = types.SimpleNamespace(get_guest=lambda instance: guest)
        self._image_api = types.SimpleNamespace(
            get=lambda context, image: {'status': 'active'},
            download=lambda *args, **options: iter([b'image']),
        )

    def _get_instance_disk_info_from_config(
        self, config: Any, block_device_info: Any
    ) -> list[dict[str, Any]]:
        return disk_info.instance_disk_info(
            config, block_device_info, lambda *others: []
        )


class Digests:
    """The content of an image's base, compared between two hosts.

    :param here: the source, of an instance that it has checked.
    """

    def __init__(self, here: source.Source) -> None:
        self._source = here
        self._info: dict[str, Any] = {}

    def on_source(self) -> None:
        """What the source says of the base, not known from the check."""
        digests.CACHE = digests.DigestCache()
        (self._info,) = self._source.disk_info(INSTANCE, None, lambda: False)

    def on_destination(self) -> None:
        """The destination's look at its own, which is the same file here.

        Nothing is known of it there.
        """
        digests.CACHE = digests.DigestCache()
        digest = self._info[annotation.KEY]['digest']
        image_cache.verify(INSTANCE, self._info, digest)


class Carrying:
    """An ephemeral disk whose base travels inside the disk info."""

    def __init__(self, disk: pathlib.Path) -> None:
        self._disk = disk
        self._content: Any = None

    def pack(self) -> None:
        """The source's check packs what has to be carried."""
        here = _source(self._disk)
        checked = here.check(_context(), INSTANCE, _data(), None)
        self._content = checked.inspection.packed[self._disk.name]

    def fill(self, directory: pathlib.Path) -> None:
        """The destination makes a disk of it."""
        info = {
            'path': 'disk.made',
            'type': 'raw',
            'virt_disk_size': self._content.length,
        }
        inline_disks.make(INSTANCE, str(directory), info, self._content)


class Device:
    """A disk of a guest, with a block-stream job that takes its time."""

    def __init__(self) -> None:
        self._end = 0.0

    def rebase(self, base: str | None) -> None:
        self._end = time.monotonic() + JOB_SECONDS

    def get_job_info(self) -> Any:
        if time.monotonic() >= self._end:
            return None
        return types.SimpleNamespace(cur=1, end=2)


def _flatten(path: pathlib.Path) -> None:
    guest = types.SimpleNamespace(get_block_device=lambda disk: Device())
    disk = model.Disk(
        name=path.name,
        path=str(path),
        target='vdb',
        format='qcow2',
        virtual_bytes=2**20,
        allocated_bytes=0,
    )
    flatten.flatten(
        INSTANCE, guest, disk, 'a test', lambda: None, lambda *job: None
    )


def _overlay(path: pathlib.Path, base: pathlib.Path | None) -> pathlib.Path:
    on = ['-F', 'raw', '-b', str(base)] if base else []
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', 'qcow2', *on, str(path)]
        + ([] if base else ['1M']),
        check=True,
    )
    return path


def _source(disk: pathlib.Path) -> source.Source:
    driver: Any = Driver(disk)
    return source.Source(driver, model.Policy(max_inline_bytes=ENOUGH))


def _context() -> nova_context.RequestContext:
    """One that need not ask Nova's policy who it is."""
    return nova_context.RequestContext(is_admin=False)


def _checked(disk: pathlib.Path) -> source.Source:
    here = _source(disk)
    here.check(_context(), INSTANCE, _data(), None)
    return here


def _data() -> Any:
    """What a destination with our driver answers."""
    mark = handshake.PeerInfo(handshake.NEWEST, 'qcow2')
    return migrate_data.LibvirtLiveMigrateData(
        filename=handshake.mark_destination('tmpabc', mark),
        image_type='qcow2',
        block_migration=True,
    )
