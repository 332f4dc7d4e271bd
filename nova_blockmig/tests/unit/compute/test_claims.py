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


"""Tests of giving back what was claimed for a refused migration."""

import fixtures
from nova.objects import migrate_data
from nova.virt import virtapi

from nova_blockmig.compute import claims
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

VM = nova_objects.instance()


class DroppedOnErrorTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.manager = nova_objects.manager()
        self.virtapi = nova_objects.virtapi(self.manager)

    def refuse(self, **data):
        with claims.dropped_on_error(
            self.virtapi,
            'context',
            VM,
            migrate_data.LibvirtLiveMigrateData(**data),
        ):
            raise ValueError('refused')

    def assert_refused(self, **data):
        self.assertRaises(ValueError, self.refuse, **data)

    def test_nothing_was_claimed(self):
        self.assert_refused(pci_dev_map_src_dst={}, vifs=[])
        self.assertEqual([], self.manager.mock_calls)

    def test_cpus_and_memory(self):
        self.assert_refused(
            dst_numa_info=migrate_data.LibvirtLiveMigrateNUMAInfo()
        )
        drop = self.manager.drop_move_claim_at_destination
        drop.assert_called_once_with('context', VM)
        self.manager.rt.free_pci_device_claims_for_instance.assert_not_called()

    def assert_frees_pci(self, **data):
        self.assert_refused(**data)
        free = self.manager.rt.free_pci_device_claims_for_instance
        free.assert_called_once_with('context', VM)

    def test_pci_devices(self):
        self.assert_frees_pci(pci_dev_map_src_dst={'0000:1': '0000:2'})

    def test_pci_devices_of_ports(self):
        plain = migrate_data.VIFMigrateData()
        claimed = migrate_data.VIFMigrateData(
            profile_json='{"pci_slot": "0000:2"}'
        )
        self.assert_frees_pci(vifs=[plain, claimed])

    def test_the_reason_survives_a_failure_to_drop(self):
        drop = self.manager.drop_move_claim_at_destination
        drop.side_effect = RuntimeError('no database')
        self.assert_refused(
            dst_numa_info=migrate_data.LibvirtLiveMigrateNUMAInfo()
        )
        self.assertIn('no database', self.log.output)

    def test_no_manager(self):
        self.virtapi = virtapi.VirtAPI()
        self.assert_refused(pci_dev_map_src_dst={'0000:1': '0000:2'})

    def test_a_check_that_passed(self):
        data = migrate_data.LibvirtLiveMigrateData(
            pci_dev_map_src_dst={'0000:1': '0000:2'}
        )
        with claims.dropped_on_error(self.virtapi, 'context', VM, data):
            pass
        self.assertEqual([], self.manager.mock_calls)
