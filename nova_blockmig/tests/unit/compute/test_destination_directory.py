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

"""The instance's directory: leftovers, late rollbacks, one that was there."""

import os
import shutil
from unittest import mock

import fixtures
from nova import exception
import nova.conf
from nova.objects import migration
from nova.virt.libvirt import driver as libvirt_driver

from nova_blockmig import driver as blockmig_driver
from nova_blockmig.compute import directory
from nova_blockmig.compute import resource_check
from nova_blockmig.core import handshake
from nova_blockmig.tests.unit.compute import destination_case
from nova_blockmig.tests.unit.compute import nova_objects


class LeftoverTest(destination_case.CheckCase):
    """A directory that a migration of ours left half-made."""

    def setUp(self):
        super().setUp()
        self.driver._host.get_guest.side_effect = exception.InstanceNotFound(
            instance_id=destination_case.UUID
        )
        self.records = [nova_objects.migration(id=3), self.migration]
        self.host = 'server2'
        self.useFixture(
            nova_objects.answering(
                'MigrationList', get_by_filters=lambda *args: self.records
            )
        )
        self.useFixture(
            nova_objects.answering('Instance', get_by_uuid=lambda *args: self)
        )

    def cut_off(self, instance=None):
        self.write(f'{destination_case.UUID}/disk', b'half')
        directory.mark(
            self.instance_dir, instance or self.instance, 'server-02', None
        )

    def assert_kept(self):
        message = self.refused(self.data())
        self.assertIn('already exists', message)
        self.assertTrue(os.path.exists(f'{self.instance_dir}/disk'))

    def test_it_is_removed(self):
        self.cut_off()
        log = self.useFixture(fixtures.FakeLogger())
        self.check(self.data())
        self.assertEqual([], os.listdir(self.path))
        self.assertIn('server-02', log.output)

    def test_the_destination_makes_the_mark_and_the_arrival_removes_it(self):
        os.mkdir(self.instance_dir)
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )
        self.assertEqual([directory.MARK], os.listdir(self.instance_dir))
        self.check(self.data())
        os.mkdir(self.instance_dir)
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )
        self.destination.arrived(self.instance, None, True)
        self.assertEqual([], os.listdir(self.instance_dir))

    def test_without_our_mark(self):
        self.write(f'{destination_case.UUID}/disk', b'half')
        self.assert_kept()

    def test_a_mark_that_says_nothing(self):
        for text in (
            *(b'', b'[]', b'{}', b'\xff', b'{"instance": 1}'),
            b'[' * 4096,
        ):
            self.write(f'{destination_case.UUID}/disk', b'half')
            self.write(f'{destination_case.UUID}/{directory.MARK}', text)
            self.assert_kept()

    def test_a_mark_of_another_instance(self):
        self.cut_off(nova_objects.instance(uuid='other'))
        self.assert_kept()

    def test_a_mark_of_another_host(self):
        self.cut_off()
        nova.conf.CONF.set_override('host', 'server-03')
        self.assert_kept()

    def test_a_link_to_another_place(self):
        self.cut_off()
        os.rename(self.instance_dir, f'{self.path}/elsewhere')
        os.symlink(f'{self.path}/elsewhere', self.instance_dir)
        self.assert_kept()

    def test_shared_storage(self):
        self.cut_off()
        self.check(self.data(is_shared_instance_path=True))
        self.assertTrue(os.path.exists(f'{self.instance_dir}/disk'))

    def test_libvirt_has_the_domain(self):
        self.cut_off()
        self.driver._host.get_guest.side_effect = None
        self.assert_kept()

    def test_libvirt_does_not_answer(self):
        self.cut_off()
        self.driver._host.get_guest.side_effect = (
            exception.HypervisorUnavailable()
        )
        self.assert_kept()

    def test_nova_says_that_the_instance_is_here(self):
        self.cut_off()
        self.host = 'server-01'
        self.assert_kept()

    def test_a_newer_migration(self):
        self.cut_off()
        self.records.append(nova_objects.migration(id=8))
        self.assert_kept()

    def test_a_migration_of_another_kind(self):
        self.cut_off()
        self.migration.migration_type = 'migration'
        self.assert_kept()

    def test_it_cannot_be_removed(self):
        self.cut_off()
        self.useFixture(
            fixtures.MockPatch('shutil.rmtree', side_effect=OSError(30, 'ro'))
        )
        self.assert_kept()


class LateRollbackTest(destination_case.Case):
    """Of a migration whose next attempt has begun already."""

    def setUp(self):
        super().setUp()
        self.destination.check_source(
            nova_objects.context(),
            self.instance,
            self.data(handshake.mark_source('tmpabc', 2)),
            nova_objects.migration(uuid='seventh'),
        )
        os.mkdir(self.instance_dir)
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )

    def rolls_back_another(self, uuid):
        data = self.data()
        data.migration = migration.Migration(uuid=uuid)
        return directory.rolls_back_another(self.instance, data)

    def test_the_one_that_made_the_directory(self):
        self.assertFalse(self.rolls_back_another('seventh'))

    def test_an_earlier_one(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.assertTrue(self.rolls_back_another('sixth'))
        self.assertIn('sixth', log.output)

    def test_it_is_not_known_which(self):
        """nova-compute was restarted since the check."""
        os.unlink(f'{self.instance_dir}/{directory.MARK}')
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )
        self.assertFalse(self.rolls_back_another('sixth'))
        for data in (None, self.data()):
            self.assertFalse(directory.rolls_back_another(self.instance, data))

    def test_nothing_is_there(self):
        shutil.rmtree(self.instance_dir)
        self.assertFalse(self.rolls_back_another('sixth'))

    def test_nova_is_not_asked_to_roll_it_back(self):
        here = blockmig_driver.LibvirtDriver.__new__(
            blockmig_driver.LibvirtDriver
        )
        here._destination = self.destination
        here._check = mock.create_autospec(
            resource_check.ResourceCheck, instance=True
        )
        nova_s = self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver,
                'rollback_live_migration_at_destination',
                autospec=True,
            )
        ).mock
        for uuid, calls in (('sixth', 0), ('seventh', 1)):
            data = self.data()
            data.migration = migration.Migration(uuid=uuid)
            here.rollback_live_migration_at_destination(
                nova_objects.context(), self.instance, [], {}, True, data
            )
            self.assertEqual(calls, nova_s.call_count)
            self.assertEqual(calls, here._check.rolled_back.call_count)


class DirectoryTest(destination_case.Case):
    def test_what_is_no_disk_info_is_refused_before_nova_reads_it(self):
        for text in (
            *('', '{', 'null', '7', '"disk"', '[' * 100000, '[1]', '[{}]'),
            '[{"path": 1, "type": "raw", "virt_disk_size": 1}]',
            '[{"path": "/i/disk", "type": "vmdk", "virt_disk_size": 1}]',
        ):
            self.assertRaises(
                exception.MigrationError,
                self.destination.expect,
                self.instance,
                self.data(),
                text,
            )
        for text in (
            *('[]', '{}'),
            '[{"path": "/i/disk", "type": "raw", "virt_disk_size": 1}]',
        ):
            self.destination.expect(self.instance, self.data(), text)

    def test_one_that_was_there_is_kept_once(self):
        os.mkdir(self.instance_dir)
        self.destination.expect(self.instance, self.data(), None)
        self.assertTrue(self.destination.must_keep_directory(self.instance))
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_one_that_nova_makes_is_not_kept(self):
        self.destination.expect(self.instance, self.data(), None)
        os.mkdir(self.instance_dir)
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_a_second_try_starts_anew(self):
        os.mkdir(self.instance_dir)
        self.destination.expect(self.instance, self.data(), None)
        os.rmdir(self.instance_dir)
        self.destination.expect(self.instance, self.data(), None)
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_shared_instances_path_is_not_ours(self):
        os.mkdir(self.instance_dir)
        data = self.data(is_shared_instance_path=True)
        self.destination.expect(self.instance, data, None)
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_what_nova_is_told_instead(self):
        data = self.data()
        spared = directory.spared(data)
        self.assertTrue(spared.is_shared_instance_path)
        self.assertFalse(data.is_shared_instance_path)
