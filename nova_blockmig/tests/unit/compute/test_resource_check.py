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


"""Tests of the resource check as the driver calls it."""

import datetime
import types
from unittest import mock

import fixtures
from nova import exception
import nova.conf
from nova.objects import migrate_data
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import image_cache
from nova_blockmig.compute import incoming
from nova_blockmig.compute import resource_check
from nova_blockmig.compute import tracker
from nova_blockmig.core import capacity
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.host import files
from nova_blockmig.tests.unit import base

UUID = 'bd261aa7-728b-4edb-bd18-2ae2370b6549'
MIB, GIB = 2**20, 2**30
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
    return types.SimpleNamespace(
        uuid=uuid,
        image_ref='c5a6b1b4',
        flavor=types.SimpleNamespace(
            memory_mb=memory_mb, root_gb=10, ephemeral_gb=0, swap=0
        ),
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
        self.driver = mock.Mock()

    def fake(self, where, name, **values):
        patcher = mock.patch.object(where, name, **values)
        self.addCleanup(patcher.stop)
        return patcher.start()

    def checker(self, mode=model.OverCommit.VIRTUAL):
        policy = model.Policy(disk_over_commit=mode)
        return resource_check.ResourceCheck(self.driver, policy)


class AtDestinationTest(Case):
    def run_check(
        self,
        requested=None,
        block_migration=True,
        policy=model.OverCommit.VIRTUAL,
        vm=None,
        **columns,
    ):
        data = migration_data()
        self.checker(policy).at_destination(
            'context',
            vm or instance(),
            row(**columns),
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
        coming = capacity.Incoming('other', 4 * GIB, 50 * GIB, 50 * GIB)
        self.coming.return_value = [coming]
        message = self.refusal()
        self.assertIn('incoming migrations -4 GiB', message)
        data = self.run_check(vm=instance(memory_mb=1024))
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
        self.assertIn(f'(instance {UUID})', message)

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


class ReservationTest(Case):
    """Two checks, of which the second is made before Nova shows the first.

    The database has nothing, so only the reservations are left.
    """

    def setUp(self):
        super().setUp()
        self.check = self.checker()
        self.first = migration_data('tmpfirst')
        self.second = migration_data('tmpsecond')
        self.start('first', self.first)

    def start(self, uuid, data):
        self.check.at_destination(
            'context', instance(uuid), row(), data, True, None
        )

    def assert_refused(self, uuid):
        self.assertRaises(errors.DoesNotFit, self.start, uuid, self.second)

    def test_the_second_finds_the_first(self):
        self.assert_refused('second')

    def test_a_refused_one_has_no_reservation(self):
        self.assert_refused('second')
        self.check.check_ended(self.first)
        self.start('third', self.second)

    def test_the_source_refused_the_first(self):
        self.check.check_ended(self.first)
        self.start('second', self.second)

    def test_the_source_agreed(self):
        self.check.source_agreed(instance('first'), self.first)
        self.check.check_ended(self.first)
        self.assert_refused('second')

    def test_the_first_was_rolled_back(self):
        self.check.source_agreed(instance('first'), self.first)
        self.check.check_ended(self.first)
        self.check.rolled_back(instance('first'))
        self.start('second', self.second)

    def test_the_same_instance_again(self):
        self.start('first', self.second)


class QueueTest(Case):
    """An instance waits for longer than a reservation lasts."""

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.check = self.checker()
        self.first = migration_data('tmpfirst')
        self.second = migration_data('tmpsecond')
        self.start('first', self.first)

    def checker(self, mode=model.OverCommit.VIRTUAL):
        check = super().checker(mode)
        check._reservations = incoming.Reservations(lambda: self.now)
        return check

    def start(self, uuid, data):
        big = instance(uuid, memory_mb=64)
        big.flavor.root_gb = 60
        self.check.at_destination('context', big, row(), data, True, None)
        return data.disk_available_mb // 1024

    def test_an_arrival_is_counted_until_the_record_has_it(self):
        first = instance('first', memory_mb=64)
        first.flavor.root_gb = 60
        self.check.source_agreed(first, self.first)
        self.check.check_ended(self.first)
        self.now += 600
        self.assertEqual(62, self.start('second', self.second))
        self.check.check_ended(self.second)
        self.check.arrived(first)
        self.assertEqual(2, self.start('second', self.second))

    def test_an_arrival_is_never_in_the_way(self):
        first = instance('first', memory_mb=64)
        self.check.source_agreed(first, self.first)
        self.useFixture(
            fixtures.MockPatchObject(
                incoming,
                'needs',
                side_effect=exception.OrphanedObjectError(
                    method='obj_load_attr', objtype='Instance'
                ),
            )
        )
        self.check.arrived(first)
        self.assertIn('Unable to count the arrived instance', self.log.output)


class AutoTest(Case):
    """Nova finds out whether it is a block migration."""

    def setUp(self):
        super().setUp()
        self.check = self.checker()
        self.data = migration_data()

    def run_check(self, **columns):
        self.check.at_destination(
            'context', instance(), row(**columns), self.data, None, None
        )

    def decide(self, block_migration):
        self.data.block_migration = block_migration
        self.check.decide(instance(), self.data)
        self.check.source_agreed(instance(), self.data)

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
        self.assertEqual([(4 * GIB, 10 * GIB)], self.reserved())

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


class DryRunTest(Case):
    def test_it_says_the_same_and_reserves_nothing(self):
        check = self.checker()
        for columns in ({}, {'free_ram_mb': 1}):
            found = check.evaluate('context', instance(), row(**columns), None)
            self.assertEqual(not columns, found.outcome.fits)
            self.assertEqual(62 * GIB, found.disk.bytes)
        self.assertEqual((), check._reservations.current())
        self.assertEqual('', self.log.output)

    def test_reservations_of_others_count(self):
        check = self.checker()
        check.at_destination(
            'context', instance('other'), row(), migration_data(), True, None
        )
        found = check.evaluate('context', instance(), row(), None)
        self.assertFalse(found.outcome.fits)
        self.assertEqual(52 * GIB, found.disk.bytes)


class LockTest(Case):
    """A slow conductor holds up one check, not all of them."""

    def test_nobody_is_asked_under_the_lock(self):
        check = self.checker()

        def ask(*_):
            self.assertFalse(check._lock.locked())
            return []

        self.coming.side_effect = ask
        self.base.side_effect = lambda *_: ask() or None
        check.at_destination(
            'context', instance(), row(), migration_data(), True, None
        )
        self.coming.assert_called_once()
        self.base.assert_called_once()


class TrackedTest(Case):
    """What Nova's tracker has counted is not taken off again."""

    MODE = model.OverCommit.ACTUAL

    def setUp(self):
        super().setUp()
        self.check = self.checker(self.MODE)
        self.fake(self.check.tracker, 'counted', return_value=self.counted())
        self.coming.return_value = [
            capacity.Incoming('coming', 3 * GIB, 50 * GIB, 0)
        ]

    def counted(self):
        return tracker.Counted(frozenset({'coming'}), frozenset())

    def evaluate(self, uuid=UUID, **columns):
        return self.check.evaluate(
            'context', instance(uuid), row(**columns), None
        )

    def test_memory_and_the_books_of_the_disk(self):
        found = self.evaluate()
        (ram,) = found.outcome.rows
        self.assertEqual(7277 * MIB, ram.available.bytes)
        self.assertEqual(94 * GIB, found.disk.bytes)

    def test_not_the_disks(self):
        self.check._policy = model.Policy(
            disk_over_commit=model.OverCommit.VIRTUAL
        )
        self.assertEqual(12 * GIB, self.evaluate().disk.bytes)

    def test_the_instance_itself_from_a_failed_attempt(self):
        """Its memory is in use on a host that is full with it."""
        found = self.evaluate('coming', free_ram_mb=0, local_gb_used=115)
        self.assertTrue(found.outcome.fits)
        (ram,) = found.outcome.rows
        self.assertIn('counted for this instance 4 GiB', ram.working())
        self.assertEqual(10 * GIB, found.disk.bytes)

    def test_the_age_is_the_reports(self):
        old = datetime.datetime(2012, 7, 9)
        found = self.evaluate(updated_at=old)
        self.assertFalse(found.outcome.fits)
        self.check.tracker.counted.return_value = tracker.Counted(seconds=30.0)
        found = self.evaluate(updated_at=old)
        self.assertTrue(found.outcome.fits)

    def test_ratios_of_placement(self):
        self.check.tracker.summed_up(
            None,
            'node',
            {
                'MEMORY_MB': {'allocation_ratio': 1.5},
                'DISK_GB': {'allocation_ratio': 0.5},
            },
        )
        found = self.evaluate(free_ram_mb=0)
        (ram,) = found.outcome.rows
        self.assertIn('memory x 1.5', ram.working())
        self.assertTrue(found.outcome.fits)
        self.assertIn(('local_gb x 0.5', int(57.5 * GIB)), found.disk.terms)


class DiskNeedsTest(Case):
    def needs(self, method, base=True):
        disk = model.Disk(
            name='disk.eph0',
            path='/nowhere',
            target='vdb',
            format='qcow2',
            virtual_bytes=5 * GIB,
            allocated_bytes=3 * MIB,
            base=model.Base(
                '/_base/ephemeral_5_x',
                model.BaseKind.HOST_GENERATED,
                added_bytes=2 * MIB,
                key=(1, 2),
                certain=True,
            )
            if base
            else None,
        )
        return resource_check.disk_needs(
            [model.DiskPlan(disk, method, 'a reason')]
        )

    def test_a_base_that_comes_along_is_added(self):
        # COPY: all of it, with VIR_MIGRATE_NON_SHARED_DISK.
        for method in (
            model.TransferMethod.INLINE,
            model.TransferMethod.FLATTEN,
            model.TransferMethod.COPY,
        ):
            (need,) = self.needs(method)
            self.assertEqual(
                capacity.DiskNeed('disk.eph0', 5 * GIB, 3 * MIB, 2 * MIB),
                need,
            )

    def test_a_base_that_is_fetched_is_the_destinations(self):
        self.assertEqual(
            0, self.needs(model.TransferMethod.FETCH)[0].added_bytes
        )

    def test_no_base(self):
        self.assertEqual(
            0,
            self.needs(model.TransferMethod.INLINE, base=False)[0].added_bytes,
        )


class AtSourceTest(Case):
    NEEDS = (
        capacity.DiskNeed('disk', 10 * GIB, 217 * MIB),
        capacity.DiskNeed('disk.eph0', 5 * GIB, 0, MIB),
    )

    def run_check(
        self,
        available,
        flag=None,
        destination=plan.Peer.IN_TREE,
        policy='virtual',
    ):
        data = migration_data('tmpaaaaaa')
        data.disk_available_mb = available // MIB
        if flag is not None:
            data.disk_over_commit = flag
        checker = self.checker(model.OverCommit(policy))
        checker.at_source(instance(), data, self.NEEDS, destination)

    def assert_boundary(self, need, **values):
        self.run_check(need, **values)
        error = self.assertRaises(
            errors.DoesNotFit,
            self.run_check,
            need - MIB,
            **values,
        )
        self.assertIn('1 MiB short', str(error))

    def test_virtual_sizes(self):
        for policy in model.OverCommit:
            self.assert_boundary(15 * GIB, flag=False, policy=policy)

    def test_allocated_sizes(self):
        for policy in model.OverCommit:
            self.assert_boundary(218 * MIB, flag=True, policy=policy)

    def test_our_destination_says_skip(self):
        for policy in model.OverCommit:
            self.run_check(0, destination=plan.Peer.BLOCKMIG, policy=policy)

    def test_a_stock_destination_does_not_say(self):
        self.assert_boundary(15 * GIB)

    def test_a_stock_destination_sends_a_number_for_virtual_sizes(self):
        self.assert_boundary(15 * GIB, policy='actual')

    def test_skip_with_a_stock_destination(self):
        self.run_check(0, policy='skip')

    def test_one_line_for_the_log(self):
        self.run_check(15 * GIB, flag=False)
        self.assertEqual(
            'Resource check: fits on the destination: disk (virtual sizes): '
            'needs 15 GiB, 15 GiB available',
            self.log.output.strip(),
        )
