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

"""Kernel and ramdisk images of an instance on the destination."""

import os
from typing import Any

from nova import exception
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging

LOG = logging.getLogger(__name__)


def fetch(driver: Any, context: Any, instance: Any, instance_dir: str) -> None:
    """Fetch kernel and ramdisk as Nova's spawn does.

    Stock Nova fetches them on a migration's destination as if they were
    disk images and inspects them as such, which a kernel with a boot sector
    does not pass. They are given to QEMU as they are and never parsed, so
    spawn does not inspect them, and neither is it needed here. One that is
    gone from Glance is left to Nova, which can copy it from the source.
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
                'The %(name)s %(image)s is not in Glance',
                {'name': name, 'image': image_id},
                instance=instance,
            )
