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

"""Disks on the destination that hold their content from the start."""

import os

from nova import exception
import nova.conf
from nova.virt import images
from oslo_concurrency import processutils
from oslo_log import log as logging
from oslo_utils import fileutils
from oslo_utils import strutils

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import offload
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.host import files

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


def make(
    instance: nova_types.Instance,
    instance_dir: str,
    info: nova_types.DiskInfo,
    packed: content.Packed,
) -> None:
    """Make a standalone disk that holds what the source packed.

    The disk has the format and the exact virtual size of the source's; what
    lies beyond the content reads as zeros. libvirt then copies the overlay
    on top of it. The payload is verified before the disk gets its name.

    :raises errors.PayloadRefused: the payload is damaged.
    :raises errors.CannotCreateDisk: the disk could not be written.
        Nothing is left of it in either case.
    """
    name = os.path.basename(info['path'])
    target = os.path.join(instance_dir, name)
    virtual_bytes = int(info['virt_disk_size'])
    if packed.length > virtual_bytes:
        raise errors.PayloadRefused(
            name,
            f'its content is {packed.length} bytes long, but the disk '
            f'{virtual_bytes} bytes',
        )
    try:
        _fill(target, info['type'], packed, virtual_bytes)
    except content.BadPayload as exc:
        raise errors.PayloadRefused(name, str(exc)) from exc
    except (OSError, exception.ImageUnacceptable) as exc:
        raise errors.CannotCreateDisk(target, str(exc)) from exc
    preallocate(instance_dir, info)
    LOG.info(
        'Created %(disk)s of %(size)d bytes from %(inline)d bytes of inline '
        'content',
        {'disk': name, 'size': virtual_bytes, 'inline': len(packed.data)},
        instance=instance,
    )


def preallocates() -> bool:
    """Whether preallocate_images asks for it."""
    return bool(strutils.to_slug(CONF.preallocate_images) == 'space')


def preallocate(instance_dir: str, info: nova_types.DiskInfo) -> None:
    """Give a standalone disk its blocks, if preallocate_images says so.

    As the image backends do it when an instance is spawned.
    """
    if not preallocates():
        return
    path = os.path.join(instance_dir, os.path.basename(info['path']))
    try:
        processutils.execute(
            'fallocate', '-n', '-l', str(info['virt_disk_size']), path
        )
    except processutils.ProcessExecutionError as exc:
        # Nova too goes on without, on a file system that cannot do it. Want
        # of space shows when the disk is copied.
        LOG.warning('Unable to preallocate %s: %s', path, exc)


def record_format(
    driver: libvirt_types.Driver,
    instance: nova_types.Instance,
    instance_dir: str,
    info: nova_types.DiskInfo,
) -> None:
    """Let Nova note a disk's format before its guest can write to it.

    An image backend that does not know the format of a disk asks qemu-img,
    which believes what the content says, and notes the answer in
    ``disk.info``. At spawn the content is the image's or Nova's own. Here
    the first to ask would be a hard reboot after the migration, and a guest
    that wrote a qcow2 header to its raw disk would get the answer it wants.
    """
    path = os.path.join(instance_dir, os.path.basename(info['path']))
    # The backend that qcow2 disks have does not look, and takes a config
    # drive for one.
    backend = 'raw' if info['type'] == 'raw' else None
    driver.image_backend.by_name(instance, path, backend)


def _fill(
    target: str, disk_format: str, packed: content.Packed, length: int
) -> None:
    if disk_format == 'raw':
        offload.run(_write, target, packed, length)
        return
    raw = target + '.content'
    try:
        offload.run(_write, raw, packed, length)
        with fileutils.remove_path_on_error(target):
            images.convert_image(raw, target, 'raw', disk_format)
    finally:
        files.remove(raw)


def _write(path: str, packed: content.Packed, length: int) -> None:
    files.write_sparse(path, content.unpack(packed), length)
