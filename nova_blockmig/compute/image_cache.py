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

"""Glance's images on this host: fetched, trusted, and what they take.

The only module that knows where Nova's image cache keeps a base.
"""

import os
import threading

from nova import exception
import nova.conf
from nova.image import glance
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging
from oslo_utils import units

from nova_blockmig.compute import image_data
from nova_blockmig.compute import images_type
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import offload
from nova_blockmig.core import capacity
from nova_blockmig.core import errors
from nova_blockmig.host import digests
from nova_blockmig.host import headers

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_DIGESTS = 'blockmig-digests.json'
# What Nova stores as it was downloaded, whatever force_raw_images says.
_RAW = ('raw', 'iso', 'ami', 'aki', 'ari')


def cached_path(name: str) -> str:
    """Where the image cache keeps a base of this name."""
    return os.path.join(
        CONF.instances_path, CONF.image_cache.subdirectory_name, name
    )


def keep_digests() -> None:
    """Let the digests of bases outlive this process.

    Beside Nova's own state, out of the sight of its image cache manager.
    """
    digests.CACHE.keep_in(os.path.join(CONF.state_path, _DIGESTS))


def verify(
    instance: nova_types.Instance, info: nova_types.DiskInfo, expected: str
) -> None:
    """Make sure that the base of a new overlay is what the source has.

    A base that differs is left as it is: other guests may read it.

    :param info: the disk's info; ``backing_file`` is the base's name.
    :param expected: the content digest of the base on the source.
    :raises errors.BaseDiffers: it is not.
    :raises errors.BaseUnreadable: it cannot be told.
    """
    path = cached_path(os.path.basename(info['backing_file']))
    try:
        found = digests.CACHE.digest(path, offload.run)
    except OSError as exc:
        raise errors.BaseUnreadable(
            path, CONF.host, exc.strerror or str(exc)
        ) from exc
    if found != expected:
        LOG.error(
            'The base %(path)s differs from that of the source: digest '
            '%(found)s on this host, %(expected)s on the source',
            {'path': path, 'found': found, 'expected': expected},
            instance=instance,
        )
        raise errors.BaseDiffers(path, CONF.host, expected, found)


def root_bytes(instance: nova_types.Instance) -> int:
    """The size of a root disk to which the flavor sets no bound.

    It is as large as the image then: as the base in the cache, or what the
    image is said to need; 0 if neither is known.
    """
    path = cached_path(imagecache.get_cache_fname(instance.image_ref))
    try:
        header = headers.read_header(path)
        return header.virtual_bytes if header else os.path.getsize(path)
    except OSError:
        metadata = instance.system_metadata or {}
        return int(metadata.get('image_min_disk') or 0) * units.Gi


def known_digest(instance: nova_types.Instance) -> str | None:
    """The digest of the instance's image in this host's cache.

    :returns: None if it is not cached, or was not read yet.
    """
    path = _image_base(instance)
    try:
        return digests.CACHE.known(path) if path else None
    except OSError:
        return None


def read_ahead(instance: nova_types.Instance) -> None:
    """Begin to compute the digest of the instance's image, if it is cached.

    It will be compared before anything is copied. The source reads its own
    meanwhile.
    """
    path = _image_base(instance)
    if path and os.path.exists(path) and known_digest(instance) is None:
        threading.Thread(target=_read, args=(path,), daemon=True).start()


def _image_base(instance: nova_types.Instance) -> str | None:
    """Where the base of the instance's image is cached, if disks have one."""
    if not instance.image_ref or images_type.effective() != 'qcow2':
        return None
    return cached_path(imagecache.get_cache_fname(instance.image_ref))


def _read(path: str) -> None:
    try:
        digests.CACHE.digest(path, offload.run)
    except OSError as exc:
        # Said by verify(), if it comes to that.
        LOG.debug('Unable to compute the digest of %s: %s', path, exc)


def to_fetch(
    context: nova_types.Context,
    instance: nova_types.Instance,
    image_api: nova_types.ImageApi,
) -> capacity.ImageBase | None:
    """The base that this host would have to fetch for the instance.

    An image that Glance does not give out is not fetched: the source brings
    its content along. None then, or if the image is cached, or if the disks
    of this host have no base.

    :param image_api: Nova's image API.
    """
    path = _image_base(instance)
    if path is None or os.path.exists(path):
        return None
    try:
        image = image_api.get(context, instance.image_ref)
    except image_data.NOT_HANDED_OUT:
        return None
    except Exception as exc:
        # Glance's client and keystoneauth have dozens of them.
        LOG.exception(
            'Unable to ask Glance for image %s',
            instance.image_ref,
            instance=instance,
        )
        return capacity.ImageBase(
            0,
            0,
            unknown=f'image {instance.image_ref} is not cached and its size '
            f'cannot be read from Glance: {type(exc).__name__}: {exc}',
        )
    return _sizes(context, instance, image)


def _sizes(
    context: nova_types.Context,
    instance: nova_types.Instance,
    image: nova_types.GlanceImage,
) -> capacity.ImageBase:
    """The most that nova.virt.images.fetch_to_raw writes for the image."""
    size = int(image.get('size') or 0)
    if image.get('disk_format') in _RAW or not CONF.force_raw_images:
        return capacity.ImageBase(kept_bytes=size, peak_bytes=size)
    # A raw file is as long as the disk is large; how much of it is holes is
    # known only when it is there. Nova refuses an image that is larger than
    # the flavor's root disk.
    raw = (
        _virtual_size(context, instance.image_ref)
        or instance.flavor.root_gb * units.Gi
        or size
    )
    return capacity.ImageBase(kept_bytes=raw, peak_bytes=size + raw)


def _virtual_size(context: nova_types.Context, image_ref: str) -> int | None:
    """The image's virtual_size, which Nova's image API leaves out."""
    try:
        image = glance.GlanceClientWrapper().call(
            context, 2, 'get', args=(image_ref,)
        )
    except Exception as exc:
        LOG.debug('Virtual size of image %s unknown: %s', image_ref, exc)
        return None
    virtual_size = image.get('virtual_size')
    return int(virtual_size) if virtual_size else None


def fetch_kernels(
    driver: libvirt_types.Driver,
    context: nova_types.Context,
    instance: nova_types.Instance,
    instance_dir: str,
) -> None:
    """Fetch kernel and ramdisk as Nova's spawn does.

    The in-tree driver fetches them on a migration's destination as if they
    were disk images and inspects them as such, which a kernel with a boot
    sector does not pass. They are given to QEMU as they are and never
    parsed, so spawn does not inspect them, and neither is it needed here.
    One that is gone from Glance is left to Nova, which can copy it from the
    source.
    """
    wanted = {'kernel': instance.kernel_id, 'ramdisk': instance.ramdisk_id}
    for name, image_id in wanted.items():
        # As in Nova, there is no ramdisk without a kernel.
        if not image_id or not instance.kernel_id:
            continue
        if os.path.exists(os.path.join(instance_dir, name)):
            continue
        try:
            driver.image_backend.by_name(instance, name, 'raw').cache(
                fetch_func=libvirt_utils.fetch_raw_image,
                context=context,
                filename=imagecache.get_cache_fname(image_id),
                image_id=image_id,
            )
        except exception.ImageNotFound:
            LOG.info(
                'The %(name)s %(image)s is not available from Glance',
                {'name': name, 'image': image_id},
                instance=instance,
            )
