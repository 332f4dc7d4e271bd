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

"""Whether Glance still hands out the image of an instance."""

from nova import exception
import nova.conf
from oslo_log import log as logging

from nova_blockmig.compute import nova_types

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

NOT_HANDED_OUT = (
    exception.ImageNotFound,
    exception.ImageNotAuthorized,
    exception.Forbidden,
)
"""What Nova's image API raises where Glance answers that it does not."""


def available(
    image_api: nova_types.ImageApi,
    context: nova_types.Context,
    instance: nova_types.Instance,
) -> bool:
    """Whether the destination will get the image if it has to fetch it.

    The record of an image may be fine while its data is gone or its store is
    away. A destination would find out when the migration has begun, and no
    other host would be tried.

    :param image_api: nova.image.glance.API.
    """
    if not instance.image_ref:
        return True
    try:
        image = image_api.get(context, instance.image_ref)
    except NOT_HANDED_OUT:
        return False
    except Exception as exc:
        # Whatever its client raises: the disk can travel without Glance.
        LOG.warning(
            'Unable to ask Glance whether image %(image)s is available: '
            '%(reason)s',
            {'image': instance.image_ref, 'reason': exc},
            instance=instance,
        )
        return False
    if image.get('status', 'active') != 'active':
        return False
    return _has_data(image_api, context, instance)


def _has_data(
    image_api: nova_types.ImageApi,
    context: nova_types.Context,
    instance: nova_types.Instance,
) -> bool:
    """Begin to read the image; the first piece tells."""
    if CONF.glance.verify_glance_signatures:
        # Nova would read it to its end.
        return True
    try:
        chunks = image_api.download(context, instance.image_ref)
        if chunks is not None:
            next(iter(chunks), None)
    except Exception as exc:
        # Whatever it is, the destination would get it too.
        LOG.warning(
            'Unable to download image %(image)s from Glance: %(reason)s',
            {'image': instance.image_ref, 'reason': exc},
            instance=instance,
        )
        return False
    return True
