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

"""Which image backend a host really uses."""

import nova.conf

from nova_blockmig.compute import nova_types

CONF = nova.conf.CONF


def effective() -> str:
    """This host's backend by name, with ``default`` resolved.

    As ``nova.virt.libvirt.imagebackend.Backend`` does it: ``default`` is
    qcow2 if use_cow_images is true; raw and flat are one backend.
    """
    return _resolve(CONF.libvirt.images_type, CONF.use_cow_images)


def of_in_tree(data: nova_types.MigrateData) -> str | None:
    """The backend of a destination that runs the in-tree driver.

    Its migrate data holds ``[libvirt] images_type`` as it is written; what
    its ``default`` means is not known here and taken as Nova's own default.
    None if the data does not say.
    """
    if not data.obj_attr_is_set('image_type'):
        return None
    return _resolve(data.image_type, use_cow_images=True)


def _resolve(images_type: str, use_cow_images: bool) -> str:
    if images_type == 'default':
        return 'qcow2' if use_cow_images else 'raw'
    return 'raw' if images_type == 'flat' else str(images_type)
