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


"""What fetching an instance's image would take on this host."""

import os
from typing import Any

from nova import exception
import nova.conf
from nova.image import glance
from nova.virt.libvirt import imagecache
from oslo_log import log as logging
from oslo_utils import units

from nova_blockmig.compute import images_type
from nova_blockmig.core import sizes

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# What Nova stores as it was downloaded, whatever force_raw_images says.
_RAW = ('raw', 'iso', 'ami', 'aki', 'ari')


def to_fetch(
    context: Any, instance: Any, image_api: Any
) -> sizes.ImageBase | None:
    """The base that this host would have to fetch for the instance.

    An image that Glance does not give out is not fetched: the source brings
    its content along. None then, or if the image is cached, or if the disks
    of this host have no base.

    :param image_api: Nova's image API.
    """
    if not instance.image_ref or images_type.effective() != 'qcow2':
        return None
    if os.path.exists(_cached(instance.image_ref)):
        return None
    try:
        image = image_api.get(context, instance.image_ref)
    except (
        exception.ImageNotFound,
        exception.ImageNotAuthorized,
        exception.Forbidden,
    ):
        return None
    except exception.GlanceConnectionFailed as exc:
        return sizes.ImageBase(
            0,
            0,
            unknown=f'image {instance.image_ref} is not cached and Glance '
            f'cannot be asked for its size: {exc.format_message()}',
        )
    return _sizes(context, instance, image)


def _cached(image_ref: str) -> str:
    name: str = imagecache.get_cache_fname(image_ref)
    return os.path.join(
        CONF.instances_path, CONF.image_cache.subdirectory_name, name
    )


def _sizes(context: Any, instance: Any, image: Any) -> sizes.ImageBase:
    """The most that nova.virt.images.fetch_to_raw writes for the image."""
    size = int(image.get('size') or 0)
    if image.get('disk_format') in _RAW or not CONF.force_raw_images:
        return sizes.ImageBase(kept_bytes=size, peak_bytes=size)
    # A raw file is as long as the disk is large; how much of it is holes is
    # known only when it is there. Nova refuses an image that is larger than
    # the flavor's root disk.
    raw = (
        _virtual_size(context, instance.image_ref)
        or instance.flavor.root_gb * units.Gi
        or size
    )
    return sizes.ImageBase(kept_bytes=raw, peak_bytes=size + raw)


def _virtual_size(context: Any, image_ref: str) -> int | None:
    """The image's virtual_size, which Nova's image API leaves out."""
    try:
        image = glance.GlanceClientWrapper().call(
            context, 2, 'get', args=(image_ref,)
        )
    except (
        exception.GlanceConnectionFailed,
        glance.glanceclient.exc.HTTPException,
    ) as exc:
        LOG.debug('Virtual size of image %s unknown: %s', image_ref, exc)
        return None
    virtual_size = image.get('virtual_size')
    return int(virtual_size) if virtual_size else None
