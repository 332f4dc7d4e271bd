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

"""Port bindings that an earlier migration has left on the destination."""

import fixtures
import nova.conf
from nova.virt import virtapi
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import port_bindings
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

VM = nova_objects.instance()
NOW = nova_objects.migration(id=7)


def record(number, status, host='server-01'):
    return nova_objects.migration(id=number, status=status, dest_compute=host)


class RemovedTest(base.TestCase):
    def setUp(self):
        super().setUp()
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(host='server-01')
        self.log = self.useFixture(fixtures.FakeLogger())
        self.manager = nova_objects.manager()
        self.records = []
        self.useFixture(
            nova_objects.answering(
                'MigrationList', get_by_filters=lambda *args: self.records
            )
        )
        self.setup = self.manager.network_api.setup_networks_on_host

    def removed(self, *records, vm=VM, now=NOW):
        self.records = [*records, record(NOW.id, 'accepted')]
        self.context = nova_objects.context()
        port_bindings.removed(
            nova_objects.virtapi(self.manager), self.context, vm, now
        )

    def test_of_a_migration_that_was_cut_off(self):
        for status in ('error', 'preparing', 'running', 'failed'):
            self.setup.reset_mock()
            self.removed(record(3, status))
            self.setup.assert_called_once_with(
                self.context, VM, host='server-01', teardown=True
            )

    def test_nothing_was_cut_off_here(self):
        self.removed(record(3, 'completed'), record(5, 'error', 'server-02'))
        self.setup.assert_not_called()

    def test_the_instance_is_here(self):
        here = nova_objects.instance(host='server-01')
        self.removed(record(3, 'error'), vm=here)
        self.setup.assert_not_called()

    def test_no_record_of_this_migration(self):
        self.removed(record(3, 'error'), now=None)
        self.setup.assert_not_called()

    def test_neutron_does_not_answer(self):
        self.setup.side_effect = RuntimeError('no route')
        self.removed(record(3, 'error'))
        self.assertIn('no route', self.log.output)

    def test_no_manager(self):
        port_bindings.removed(
            virtapi.VirtAPI(), nova_objects.context(), VM, NOW
        )
