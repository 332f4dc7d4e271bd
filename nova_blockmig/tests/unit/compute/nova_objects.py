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

"""Nova's objects as the unit tests use them: real ones, and mocks of them.

A mock has the attributes of the class that it stands for, so that a test
fails if Nova renames what we use. Attributes that only ``__init__`` sets are
set here. Signatures are mypy's to check, with ``compute/nova_types.py``:
specifications of whole classes with them take a tenth of a second a test.
"""

from collections.abc import Callable
import json
from typing import Any
from unittest import mock

import fixtures
from nova import context as nova_context
from nova import objects
from nova.compute import manager as compute_manager
from nova.image import glance
from nova.objects import flavor as flavor_object
from nova.objects import instance as instance_object
from nova.objects import migration as migration_object
from nova.virt.libvirt import config as libvirt_config
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest
from nova.virt.libvirt import host as libvirt_host
from nova.virt.libvirt import imagebackend
from oslo_utils import imageutils

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'


def answering(
    name: str, **queries: Callable[..., Any]
) -> fixtures.MockPatchObject:
    """A class of nova.objects with these methods in the place of its own.

    Nova registers its objects when it is started, so it may not be there.
    """
    objects.register_all()
    real = getattr(objects, name)
    cls = mock.Mock(spec=real)
    for method, answer in queries.items():
        query = mock.create_autospec(getattr(real, method), side_effect=answer)
        setattr(cls, method, query)
    return fixtures.MockPatchObject(objects, name, new=cls)


def flavor(**values: Any) -> flavor_object.Flavor:
    """A flavor without disks."""
    given = {'memory_mb': 512, 'root_gb': 0, 'ephemeral_gb': 0, 'swap': 0}
    return flavor_object.Flavor(**(given | values))


def instance(**values: Any) -> instance_object.Instance:
    """An instance that runs on server2."""
    given = {
        'uuid': UUID, 'host': 'server2', 'image_ref': '', 'kernel_id': '',
        'ramdisk_id': '', 'config_drive': '', 'vm_state': 'active',
        'task_state': None, 'system_metadata': {}, 'flavor': flavor(),
    }  # fmt: skip
    return instance_object.Instance(**(given | values))


def migration(**values: Any) -> migration_object.Migration:
    """A record of a live migration; saving it does nothing."""
    found = migration_object.Migration(
        **({'migration_type': 'live-migration'} | values)
    )
    found.save = mock.create_autospec(found.save)
    return found


def context(**values: Any) -> nova_context.RequestContext:
    """Of an administrator's request."""
    return nova_context.RequestContext(**({'is_admin': True} | values))


def image_api() -> Any:
    """A mock of Glance."""
    return mock.create_autospec(glance.API, instance=True)


def guest() -> Any:
    """A mock of a guest whose domain has what we call of libvirt's."""
    found = mock.Mock(spec=libvirt_guest.Guest)
    found._domain = mock.Mock(
        spec=['jobStats', 'listAllCheckpoints', 'listAllSnapshots', 'state']
    )
    found._domain.listAllSnapshots.return_value = []
    found._domain.listAllCheckpoints.return_value = []
    found.get_block_device.return_value = mock.create_autospec(
        libvirt_guest.BlockDevice, instance=True
    )
    return found


def host(libvirt: int = 9000000, qemu: int = 7002022) -> Any:
    """A mock of a host with these versions, as libvirt counts."""
    found = mock.Mock(spec=libvirt_host.Host)
    found.get_connection.return_value = mock.Mock(
        spec=['getLibVersion', 'getVersion']
    )
    found.get_connection.return_value.getLibVersion.return_value = libvirt
    found.get_connection.return_value.getVersion.return_value = qemu
    found.get_guest.return_value = guest()
    return found


def manager() -> Any:
    """A mock of nova-compute's manager."""
    found = mock.Mock(spec=compute_manager.ComputeManager)
    found.network_api = mock.Mock(spec=['setup_networks_on_host'])
    found.reportclient = None
    found.rt = mock.Mock(spec=['free_pci_device_claims_for_instance'])
    return found


def virtapi(compute: Any) -> compute_manager.ComputeVirtAPI:
    """What a manager hands to its driver."""
    return compute_manager.ComputeVirtAPI(compute)


def driver() -> Any:
    """A mock of Nova's driver, with its host and Glance."""
    found = mock.Mock(spec=libvirt_driver.LibvirtDriver)
    found._host = host()
    found._image_api = image_api()
    found.image_backend = mock.Mock(spec=imagebackend.Backend)
    found._block_migration_flags = 128
    return found


def disk(
    target: str, path: str | None, **values: Any
) -> libvirt_config.LibvirtConfigGuestDisk:
    """A disk of a domain, as Nova reads it from its XML."""
    found = libvirt_config.LibvirtConfigGuestDisk()
    found.target_dev, found.source_path = target, path
    found.source_type = 'file'
    for name, value in values.items():
        if not hasattr(found, name):
            raise AttributeError(name)
        setattr(found, name, value)
    return found


def job(done: int, total: int) -> libvirt_guest.BlockDeviceJobInfo:
    """A block job of QEMU's, in bytes."""
    return libvirt_guest.BlockDeviceJobInfo(
        job=2, bandwidth=0, cur=done, end=total
    )


def image_info(**values: Any) -> imageutils.QemuImgInfo:
    """What qemu-img says of an image; the names are those of its JSON."""
    return imageutils.QemuImgInfo(json.dumps(values), format='json')
