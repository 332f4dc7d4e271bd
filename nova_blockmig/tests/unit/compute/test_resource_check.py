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
from nova.virt.libvirt import driver as libvirt_driver
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import image_cache
from nova_blockmig.compute import incoming
from nova_blockmig.compute import resource_check
from nova_blockmig.core import capacity
from nova_blockmig.core import handshake
from nova_blockmig.core import model
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
        self.others = self.fake(incoming, 'others', return_value=())
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
        error = self.assertRaises(
            exception.MigrationPreCheckError, self.run_check, **values
        )
        return error.format_message()

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

    def test_auto_is_checked_as_well(self):
        data = self.run_check(block_migration=None)
        self.assertEqual(62 * 1024, data.disk_available_mb)

    def test_shared_storage_is_none_of_ours(self):
        data = self.run_check(block_migration=False, free_ram_mb=1)
        self.assertEqual(-1, data.disk_available_mb)
        self.assertNotIn('disk_over_commit', data)
        self.others.assert_not_called()

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
        self.others.return_value = (coming,)
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


class PromiseTest(Case):
    """Two checks, of which the second is made before Nova shows the first.

    What the database has is taken away, so only the promises are left.
    """

    def setUp(self):
        super().setUp()
        self.others.side_effect = lambda _, vm, reservations, __: [
            one for one in reservations.current() if one.instance != vm.uuid
        ]
        self.check = self.checker()
        self.first = migration_data('tmpfirst')
        self.second = migration_data('tmpsecond')
        self.start('first', self.first)

    def start(self, uuid, data):
        self.check.at_destination(
            'context', instance(uuid), row(), data, True, None
        )

    def assert_refused(self, uuid):
        self.assertRaises(
            exception.MigrationPreCheckError, self.start, uuid, self.second
        )

    def test_the_second_finds_the_first(self):
        self.assert_refused('second')

    def test_a_refused_one_has_no_promise(self):
        self.assert_refused('second')
        self.check.check_ended(self.first)
        self.start('third', self.second)

    def test_the_source_refused_the_first(self):
        self.check.check_ended(self.first)
        self.start('second', self.second)

    def test_the_source_agreed(self):
        self.check.source_agreed(instance('first'))
        self.check.check_ended(self.first)
        self.assert_refused('second')

    def test_the_first_was_rolled_back(self):
        self.check.source_agreed(instance('first'))
        self.check.check_ended(self.first)
        self.check.rolled_back(instance('first'))
        self.start('second', self.second)

    def test_the_same_instance_again(self):
        self.start('first', self.second)


class MeasuringTest(Case):
    """An instance counts once two reports in a row have seen its domain."""

    def report(self, *uuids):
        self.driver._host.list_instance_domains.side_effect = None
        self.driver._host.list_instance_domains.return_value = [
            mock.Mock(UUIDString=lambda uuid=uuid: uuid) for uuid in uuids
        ]
        with self.check.measuring():
            pass

    def run_check(self, **columns):
        self.check.at_destination(
            'context', instance(), row(**columns), migration_data(), True, None
        )

    def counted(self):
        self.run_check()
        return self.others.call_args.args[3]

    def setUp(self):
        super().setUp()
        self.check = self.checker()

    def test_two_reports(self):
        self.assertEqual(set(), self.counted())
        self.report('a')
        self.assertEqual(set(), self.counted())
        self.report('a', 'b')
        self.assertEqual({'a'}, self.counted())
        self.report('b')
        self.assertEqual({'b'}, self.counted())

    def test_libvirt_down(self):
        class LibvirtError(Exception):
            pass

        # Before Nova 33 the module is None there until a driver is made.
        self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver,
                'libvirt',
                new=types.SimpleNamespace(libvirtError=LibvirtError),
            )
        )
        self.report('a')
        self.driver._host.list_instance_domains.side_effect = LibvirtError
        with self.check.measuring():
            pass
        self.assertEqual(set(), self.counted())

    def test_a_report_that_failed_is_none(self):
        self.report('a')
        self.report('a')
        try:
            with self.check.measuring():
                raise OSError('statvfs')
        except OSError:
            pass
        self.assertEqual({'a'}, self.counted())

    def test_a_report_confirms_the_record(self):
        old = datetime.datetime(2012, 7, 9)
        self.assertRaises(
            exception.MigrationPreCheckError, self.run_check, updated_at=old
        )
        self.report('a')
        self.run_check(updated_at=old)


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

    def run_check(self, available, flag=None, ours='', policy='virtual'):
        data = migration_data(f'tmpaaaaaa{ours}')
        data.disk_available_mb = available // MIB
        if flag is not None:
            data.disk_over_commit = flag
        checker = self.checker(model.OverCommit(policy))
        checker.at_source(instance(), data, self.NEEDS)

    def assert_boundary(self, need, **values):
        self.run_check(need, **values)
        error = self.assertRaises(
            exception.MigrationPreCheckError,
            self.run_check,
            need - MIB,
            **values,
        )
        self.assertIn('1 MiB short', error.format_message())

    def test_virtual_sizes(self):
        for policy in model.OverCommit:
            self.assert_boundary(15 * GIB, flag=False, policy=policy)

    def test_allocated_sizes(self):
        for policy in model.OverCommit:
            self.assert_boundary(218 * MIB, flag=True, policy=policy)

    def test_our_destination_says_skip(self):
        mark = handshake.PeerInfo(version=1, images_type='qcow2')
        name = handshake.mark_destination('', mark)
        for ours in (name, handshake.mark_source(name, 1)):
            for policy in model.OverCommit:
                self.run_check(0, ours=ours, policy=policy)

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
