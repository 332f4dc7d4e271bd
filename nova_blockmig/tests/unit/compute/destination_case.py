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

"""What the tests of the destination begin with: real files of a directory."""

import os

from nova import exception
import nova.conf
from nova.objects import block_device
from nova.objects import migrate_data
from nova.virt.libvirt import imagecache
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import destination
from nova_blockmig.core import model
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
IMAGE_BASE = imagecache.get_cache_fname(IMAGE)


class Case(base.DirectoryTestCase):
    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.conf.config(instances_path=self.path, host='server-01')
        self.instance_dir = os.path.join(self.path, UUID)
        self.instance = nova_objects.instance(
            uuid=UUID,
            image_ref=IMAGE,
            flavor=nova_objects.flavor(root_gb=1),
        )
        self.driver = nova_objects.driver()
        self.driver._host = nova_objects.host(qemu=10000013)
        self.destination = destination.Destination(
            self.driver, model.Policy(max_inline_bytes=1 << 20)
        )

    def data(self, filename='tmpabc', **kwargs):
        values = {
            'block_migration': True,
            'is_shared_instance_path': False,
            'filename': filename,
            'instance_relative_path': UUID,
        }
        return migrate_data.LibvirtLiveMigrateData(**{**values, **kwargs})


class CheckCase(Case):
    """What Nova and its database say when the source is checked."""

    def setUp(self):
        super().setUp()
        self.bdms = []
        self.context = nova_objects.context()
        self.migration = nova_objects.migration(id=7, uuid='seventh')
        self.useFixture(
            nova_objects.answering(
                'BlockDeviceMappingList',
                get_by_instance_uuid=lambda *args: self.bdms,
            )
        )

    def check(self, data):
        self.destination.check_source(
            self.context, self.instance, data, self.migration
        )

    def refused(self, data):
        exc = self.assertRaises(
            exception.MigrationPreCheckError, self.check, data
        )
        return str(exc)

    def local(self, guest_format=None):
        return block_device.BlockDeviceMapping(
            source_type='blank',
            destination_type='local',
            guest_format=guest_format,
            device_name='/dev/vdb',
        )
