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

"""The image cache's copies of images, compared between two hosts."""

import glob
import os
from typing import Any

import nova.conf
from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_blockmig.compute import offload
from nova_blockmig.core import errors
from nova_blockmig.host import digests
from nova_blockmig.host import headers

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


def cached_path(name: str) -> str:
    """Where the image cache keeps a base of this name."""
    return os.path.join(
        CONF.instances_path, CONF.image_cache.subdirectory_name, name
    )


def verify(
    driver: Any,
    context: Any,
    instance: Any,
    instance_dir: str,
    info: dict[str, Any],
    expected: str,
) -> None:
    """Make sure that the base of a new overlay is what the source has.

    A base that differs and that no other instance stands on is fetched anew
    once. One that is in use is left alone: to replace it would change the
    disks of the others.

    :param info: the disk's info; ``backing_file`` is the base's name.
    :param expected: the content digest of the base on the source.
    :raises errors.BaseDiffers: the bases differ for good.
    """
    name = os.path.basename(info['backing_file'])
    path = cached_path(name)
    found = digests.CACHE.digest(path, offload.run)
    if found == expected:
        return
    LOG.warning(
        'The base %(path)s differs from the source: %(found)s here, '
        '%(expected)s there',
        {'path': path, 'found': found, 'expected': expected},
        instance=instance,
    )
    overlay = os.path.join(instance_dir, os.path.basename(info['path']))
    users = in_use_by(path, besides=overlay)
    if users:
        LOG.warning(
            'The base %(path)s is left as it is: %(users)s stand on it',
            {'path': path, 'users': ', '.join(users)},
            instance=instance,
        )
        raise errors.BaseDiffers(path, expected, found)
    _fetch_anew(driver, context, instance, instance_dir, info, path)
    found = digests.CACHE.digest(path, offload.run)
    if found != expected:
        raise errors.BaseDiffers(path, expected, found)
    LOG.info(
        'The base %(path)s was fetched anew and now equals the source',
        {'path': path},
        instance=instance,
    )


def in_use_by(path: str, besides: str) -> list[str]:
    """The overlays on this host that stand on a base.

    :param besides: an overlay that does not count.
    """
    users = []
    for disk in glob.glob(os.path.join(CONF.instances_path, '*', 'disk*')):
        if disk == besides or not os.path.isfile(disk):
            continue
        try:
            header = headers.read_header(disk)
        except OSError:
            # It went away meanwhile, and its need of the base with it.
            continue
        if header is not None and header.backing_file == path:
            users.append(disk)
    return users


def _fetch_anew(
    driver: Any,
    context: Any,
    instance: Any,
    instance_dir: str,
    info: dict[str, Any],
    path: str,
) -> None:
    """Let Nova's image cache fetch the base and make the overlay again."""
    # The image cache's own lock (nova.virt.libvirt.imagebackend), so that
    # nobody fetches while the old base goes.
    with lockutils.lock(
        os.path.basename(path),
        'nova-',
        external=True,
        lock_path=os.path.join(CONF.instances_path, 'locks'),
    ):
        os.unlink(os.path.join(instance_dir, os.path.basename(info['path'])))
        os.unlink(path)
    driver._fetch_base(context, instance, instance_dir, info)
