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

"""The resource check of the destination, as the driver calls it."""

from nova_blockmig.core import capacity
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.host import files
from nova_blockmig.tests.unit.compute import resource_check_case

GIB = 2**30


class AtDestinationTest(resource_check_case.Case):
    def run_check(
        self,
        requested=None,
        block_migration=True,
        policy=model.OverCommit.VIRTUAL,
        vm=None,
        **columns,
    ):
        data = resource_check_case.migration_data()
        self.checker(policy).at_destination(
            'context',
            vm or resource_check_case.instance(),
            resource_check_case.row(**columns),
            data,
            block_migration,
            requested,
        )
        return data

    def refusal(self, **values):
        error = self.assertRaises(errors.DoesNotFit, self.run_check, **values)
        return str(error)

    def test_the_request_wins(self):
        for policy in model.OverCommit:
            data = self.run_check(False, policy=policy)
            self.assertEqual(62 * 1024, data.disk_available_mb)
            self.assertIs(False, data.disk_over_commit)
            data = self.run_check(True, policy=policy)
            self.assertEqual(94 * 1024, data.disk_available_mb)
            self.assertIs(True, data.disk_over_commit)

    def test_the_policy_decides_what_the_request_leaves_open(self):
        data = self.run_check(None, policy=model.OverCommit.VIRTUAL)
        self.assertIs(False, data.disk_over_commit)
        data = self.run_check(None, policy=model.OverCommit.ACTUAL)
        self.assertIs(True, data.disk_over_commit)

    def test_skip_leaves_the_data_alone(self):
        data = self.run_check(None, policy=model.OverCommit.SKIP)
        self.assertNotIn('disk_over_commit', data)
        self.assertEqual(-1, data.disk_available_mb)
        self.base.assert_not_called()

    def test_skip_is_about_disk_only(self):
        message = self.refusal(policy=model.OverCommit.SKIP, free_ram_mb=1)
        self.assertIn('RAM: needs 4 GiB', message)

    def test_auto_tells_the_source_as_well(self):
        data = self.run_check(block_migration=None)
        self.assertEqual(62 * 1024, data.disk_available_mb)

    def test_shared_storage_is_none_of_ours(self):
        data = self.run_check(block_migration=False, free_ram_mb=1)
        self.assertEqual(-1, data.disk_available_mb)
        self.assertNotIn('disk_over_commit', data)
        self.coming.assert_not_called()

    def test_mebibytes_are_rounded_down(self):
        self.fake(files, 'free_bytes', return_value=GIB - 1)
        self.assertEqual(1023, self.run_check().disk_available_mb)

    def test_a_negative_number_never_reaches_the_source(self):
        """The in-tree driver would refuse an instance without local disks."""
        self.assertEqual(
            0, self.run_check(disk_available_least=-7).disk_available_mb
        )

    def test_null_is_told_and_holds_nothing(self):
        data = self.run_check(disk_available_least=None)
        self.assertEqual(0, data.disk_available_mb)
        self.assertIn('has no disk_available_least', self.log.output)

    def test_reserve(self):
        self.conf.config(reserved_host_disk_mb=2048)
        self.assertEqual(60 * 1024, self.run_check().disk_available_mb)

    def test_disks_that_are_not_in_files_are_not_measured(self):
        self.conf.config(group='libvirt', images_type='lvm')
        self.fake(files, 'free_bytes', return_value=1)
        self.assertEqual(62 * 1024, self.run_check().disk_available_mb)

    def test_incoming_migrations(self):
        coming = capacity.Incoming(
            'other',
            4 * GIB,
            50 * GIB,
            50 * GIB,
        )
        self.coming.return_value = [coming]
        message = self.refusal()
        self.assertIn('incoming migrations -4 GiB', message)
        data = self.run_check(vm=resource_check_case.instance(memory_mb=1024))
        self.assertEqual(12 * 1024, data.disk_available_mb)

    def test_image_base(self):
        self.base.return_value = capacity.ImageBase(2 * GIB, 63 * GIB)
        message = self.refusal(free_ram_mb=1)
        self.assertIn('RAM: needs 4 GiB', message)
        self.assertIn('image base: needs 63 GiB, 62 GiB available', message)
        self.base.return_value = capacity.ImageBase(2 * GIB, 62 * GIB)
        self.assertEqual(60 * 1024, self.run_check().disk_available_mb)

    def test_names(self):
        message = self.refusal(free_ram_mb=1)
        self.assertIn('does not fit on server-01', message)
        self.assertIn(f'(instance {resource_check_case.UUID})', message)

    def test_one_line_for_the_log(self):
        self.run_check()
        lines = self.log.output.strip().splitlines()
        self.assertEqual(1, len(lines))
        self.assertIn(
            'RAM: needs 4 GiB, 7.11 GiB available [RAM: memory x 1 19.61 '
            'GiB, used -12.5 GiB]; disk (virtual sizes): 62 GiB available '
            '[disk: disk_available_least 62 GiB]',
            lines[0],
        )


class AutoTest(resource_check_case.Case):
    """Nova finds out whether it is a block migration."""

    def setUp(self):
        super().setUp()
        self.check = self.checker()
        self.data = resource_check_case.migration_data()

    def run_check(self, **columns):
        self.check.at_destination(
            'context',
            resource_check_case.instance(),
            resource_check_case.row(**columns),
            self.data,
            None,
            None,
        )

    def decide(self, block_migration):
        self.data.block_migration = block_migration
        self.check.decide(resource_check_case.instance(), self.data)
        self.check.source_agreed(resource_check_case.instance(), self.data)

    def reserved(self):
        return [
            (one.memory_bytes, one.disk_bytes)
            for one in self.check._reservations.current()
        ]

    def test_shared_storage_is_not_refused_for_memory(self):
        self.run_check(free_ram_mb=1)
        self.decide(False)
        self.assertEqual([(4 * GIB, 0)], self.reserved())

    def test_a_block_migration_is(self):
        self.run_check(free_ram_mb=1)
        error = self.assertRaises(errors.DoesNotFit, self.decide, True)
        self.assertIn('RAM: needs 4 GiB', str(error))
        self.check.check_ended(self.data)
        self.assertEqual([], self.reserved())

    def test_a_block_migration_that_fits(self):
        self.run_check()
        self.decide(True)
        self.assertEqual(
            [(4 * GIB, 10 * GIB)],
            self.reserved(),
        )

    def test_the_image_base(self):
        self.base.return_value = capacity.ImageBase(2 * GIB, 63 * GIB)
        self.run_check()
        self.assertRaises(errors.DoesNotFit, self.decide, True)
        self.run_check()
        self.decide(False)

    def test_a_check_that_ended_decides_nothing(self):
        self.run_check(free_ram_mb=1)
        self.check.check_ended(self.data)
        self.decide(True)


class ArrivedTest(resource_check_case.Case):
    """It is counted until the record does, for as long as it is here."""

    def setUp(self):
        super().setUp()
        self.check = self.checker()

    def disk_bytes(self):
        found = self.check.evaluate(
            'context',
            resource_check_case.instance(),
            resource_check_case.row(),
            None,
        )
        return found.disk.bytes

    def test_one_that_is_here_and_one_that_left(self):
        self.check.arrived(resource_check_case.instance('other'))
        self.driver.list_instance_uuids.return_value = ['first', 'other']
        self.assertEqual(52 * GIB, self.disk_bytes())
        self.driver.list_instance_uuids.return_value = ['first']
        self.assertEqual(62 * GIB, self.disk_bytes())
        self.assertEqual((), self.check._reservations.current())

    def test_a_check_that_reserves_sees_it_as_well(self):
        self.check.arrived(resource_check_case.instance('other'))
        self.driver.list_instance_uuids.return_value = []
        data = resource_check_case.migration_data()
        self.check.at_destination(
            'context',
            resource_check_case.instance(),
            resource_check_case.row(),
            data,
            True,
            None,
        )
        self.assertEqual(62 * 1024, data.disk_available_mb)

    def test_libvirt_is_asked_only_if_one_has_arrived(self):
        self.assertEqual(62 * GIB, self.disk_bytes())
        self.driver.list_instance_uuids.assert_not_called()


class DryRunTest(resource_check_case.Case):
    def test_it_says_the_same_and_reserves_nothing(self):
        check = self.checker()
        for columns in ({}, {'free_ram_mb': 1}):
            found = check.evaluate(
                'context',
                resource_check_case.instance(),
                resource_check_case.row(**columns),
                None,
            )
            self.assertEqual(not columns, found.outcome.fits)
            self.assertEqual(62 * GIB, found.disk.bytes)
        self.assertEqual((), check._reservations.current())
        self.assertEqual('', self.log.output)

    def test_reservations_of_others_count(self):
        check = self.checker()
        check.at_destination(
            'context',
            resource_check_case.instance('other'),
            resource_check_case.row(),
            resource_check_case.migration_data(),
            True,
            None,
        )
        found = check.evaluate(
            'context',
            resource_check_case.instance(),
            resource_check_case.row(),
            None,
        )
        self.assertFalse(found.outcome.fits)
        self.assertEqual(52 * GIB, found.disk.bytes)
