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

"""What the tests of the resource check begin with: a record and a host."""

from unittest import mock

import fixtures
import nova.conf
from nova.objects import migrate_data
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import image_cache
from nova_blockmig.compute import incoming
from nova_blockmig.compute import resource_check
from nova_blockmig.core import model
from nova_blockmig.host import files
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

UUID = 'bd261aa7-728b-4edb-bd18-2ae2370b6549'
GIB = 2**30
FREE = 94 * GIB


def row(**values):
    given = {
        'host': 'server-01',
        'memory_mb': 20077,
        'free_ram_mb': 7277,
        'ram_allocation_ratio': 1.0,
        'local_gb': 115,
        'local_gb_used': 21,
        'disk_allocation_ratio': 1.0,
        'disk_available_least': 62,
    }
    return {**given, **values}


def instance(uuid=UUID, memory_mb=4096):
    return nova_objects.instance(
        uuid=uuid,
        image_ref='c5a6b1b4',
        flavor=nova_objects.flavor(memory_mb=memory_mb, root_gb=10),
    )


def migration_data(name='tmpaaaaaa'):
    # What Nova's own check leaves there is never what comes out.
    return migrate_data.LibvirtLiveMigrateData(
        filename=name, disk_available_mb=-1
    )


class Case(base.TestCase):
    def setUp(self):
        super().setUp()
        path = self.useFixture(fixtures.TempDir()).path
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.conf = conf
        conf.config(instances_path=path, host='server-01')
        conf.config(reserved_host_disk_mb=0)
        conf.config(group='libvirt', images_type='qcow2')
        self.log = self.useFixture(fixtures.FakeLogger())
        # What the database has on its way here.
        self.coming = self.fake(incoming, 'migrating', return_value=[])
        self.base = self.fake(image_cache, 'to_fetch', return_value=None)
        self.fake(files, 'free_bytes', side_effect=lambda _: FREE)
        self.driver = nova_objects.driver()

    def fake(self, where, name, **values):
        patcher = mock.patch.object(where, name, **values)
        self.addCleanup(patcher.stop)
        return patcher.start()

    def checker(self, mode=model.OverCommit.VIRTUAL):
        policy = model.Policy(disk_over_commit=mode)
        return resource_check.ResourceCheck(self.driver, policy)
