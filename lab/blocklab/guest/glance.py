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

"""The guest image: built once a machine, in Glance once a lab."""

from pathlib import Path
from typing import Any

from blocklab.guest import disk_image
from blocklab.guest.disk_image import GuestImage
from blocklab.machine import venvs
from blocklab.machine.layout import ROOT
from blocklab.machine.progress import Progress

NAME = 'guest'
_DIGEST = 'guest_digest'


def build(progress: Progress) -> GuestImage:
    """The guest image, shared by all labs of the machine."""
    with venvs.locked('guest'):
        return disk_image.build(ROOT / 'guest', log=progress.say)


def upload(cloud: Any, image: GuestImage) -> bool:
    """See to it that Glance's image 'guest' is this one.

    :returns: whether it was uploaded; else it was there.
    """
    found = cloud.image.find_image(NAME)
    if found is not None:
        if found.properties.get(_DIGEST) == image.digest:
            return False
        cloud.image.delete_image(found)
    create(
        cloud, NAME, image.disk,
        visibility='public', **{_DIGEST: image.digest},
    )  # fmt: skip
    return True


def create(
    cloud: Any,
    name: str,
    disk: Path,
    disk_format: str = 'qcow2',
    **properties: str,
) -> Any:
    """Give Glance an image of a guest's root disk.

    :param properties: more of the image, visibility among them.
    """
    return cloud.image.create_image(
        name,
        filename=str(disk),
        disk_format=disk_format,
        container_format='bare',
        # Nova makes ext4 on the ephemeral disks of Linux, vfat on others'.
        os_type='linux',
        hw_rng_model='virtio',
        wait=True,
        **properties,
    )
