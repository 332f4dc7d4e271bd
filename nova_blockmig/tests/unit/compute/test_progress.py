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

"""The guest that Nova's monitor is given, and what it saves."""

import types
from unittest import mock

import fixtures
from nova import exception
import nova.conf
from nova.objects import migrate_data
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest
from nova.virt.libvirt import migration as libvirt_migrate
from oslo_config import fixture as config_fixture
import oslo_messaging as messaging

from nova_blockmig.compute import progress
from nova_blockmig.core import progress as core_progress
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

GIB = 2**30


class LibvirtError(Exception):
    pass


# Nova's fake of libvirt would bring eventlet along.
LIBVIRT = types.SimpleNamespace(
    VIR_DOMAIN_JOB_NONE=0,
    VIR_DOMAIN_JOB_UNBOUNDED=2,
    VIR_DOMAIN_JOB_COMPLETED=3,
    libvirtError=LibvirtError,
)
NONE, RUNNING = LIBVIRT.VIR_DOMAIN_JOB_NONE, LIBVIRT.VIR_DOMAIN_JOB_UNBOUNDED

# What a figure that is saved may meet while RabbitMQ, MariaDB or the
# conductor is restarted.
AWAY = (
    messaging.MessagingTimeout('no reply'),
    messaging.MessageDeliveryFailure('closed'),
    messaging.RemoteError('DBConnectionError', 'gone'),
    exception.MigrationNotFound(migration_id=1),
)


def disk(target, path):
    return nova_objects.disk(target, path)


class MonitoredGuestTest(base.TestCase):
    def setUp(self):
        super().setUp()
        for module in (libvirt_driver, libvirt_guest, libvirt_migrate):
            self.useFixture(
                fixtures.MonkeyPatch(f'{module.__name__}.libvirt', LIBVIRT)
            )
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(
            group='libvirt',
            live_migration_downtime=500,
            live_migration_downtime_steps=10,
            live_migration_downtime_delay=75,
        )
        self.jobs = {}
        self.job = {'type': RUNNING}
        self.now = 0.0
        self.domain = mock.Mock(
            spec=['jobStats', 'blockJobInfo', 'migrateSetMaxDowntime']
        )
        self.domain.jobStats.side_effect = lambda *args: self.job
        self.domain.blockJobInfo.side_effect = self.block_job
        plain = libvirt_guest.Guest(self.domain)
        disks = [disk('vda', '/i/disk'), disk('sda', '/i/disk.config')]
        disks.append(disk('vdb', '/i/disk.eph0'))
        plain.get_all_disks = lambda: disks
        self.guest = progress.MonitoredGuest(
            nova_objects.instance(flavor=nova_objects.flavor(memory_mb=512)),
            plain,
            ['/i/disk', '/i/disk.eph0'],
            core_progress.Progress(5, 5),
            clock=lambda: self.now,
        )

    def block_job(self, target, flags):
        job = self.jobs.get(target)
        if isinstance(job, Exception):
            raise job
        if job is None:
            return {}
        return {'type': 2, 'bandwidth': 0, 'cur': job[0], 'end': job[1]}

    def shown(self):
        info = self.guest.get_job_info()
        return info.disk_processed, info.disk_total, info.disk_remaining

    def test_the_disks_that_libvirt_copies_and_what_was_flattened(self):
        self.jobs = {'vda': (10, 100), 'vdb': (1, 20), 'sda': (7, 7)}
        self.assertEqual((16, 125, 109), self.shown())

    def test_before_libvirt_s_job_has_begun(self):
        self.job = {'type': NONE}
        self.jobs = {'vda': (10, 100)}
        self.assertEqual((15, 105, 90), self.shown())

    def test_jobs_that_ended_at_the_switch_over(self):
        self.jobs = {'vda': (100, 100), 'vdb': (20, 20)}
        self.shown()
        self.jobs = {}
        self.assertEqual((125, 125, 0), self.shown())

    def test_a_domain_that_is_busy_for_a_moment(self):
        self.jobs = {'vda': (10, 100)}
        self.shown()
        self.jobs = {'vda': LibvirtError('timed out')}
        self.assertEqual((15, 105, 90), self.shown())

    def test_memory_is_libvirt_s(self):
        self.job = {'type': RUNNING, 'memory_total': 9, 'memory_remaining': 4}
        info = self.guest.get_job_info()
        self.assertEqual((9, 4), (info.memory_total, info.memory_remaining))

    def test_seconds_of_a_disk(self):
        self.jobs = {'vda': (10, 100)}
        self.shown()
        self.now = 7.5
        self.shown()
        self.assertEqual(7.5, self.guest.disks['vda'].seconds())
        self.assertIsNone(self.guest.disks['vdb'].seconds())

    def test_the_end_is_saved_before_nova_goes_on(self):
        self.jobs = {'vda': (10, 100)}
        self.shown()
        migration = nova_objects.migration()
        data = migrate_data.LibvirtLiveMigrateData(migration=migration)
        saved = []
        post_method = mock.Mock(
            side_effect=lambda *args: saved.append(migration.save.called)
        )
        self.guest.saving_as_done(post_method)(1, 2, 3, True, data)
        post_method.assert_called_once_with(1, 2, 3, True, data)
        self.assertEqual([True], saved)
        self.assertEqual((105, 105, 0), (
            migration.disk_processed,
            migration.disk_total,
            migration.disk_remaining,
        ))  # fmt: skip

    def test_an_end_that_cannot_be_saved_is_an_end_all_the_same(self):
        """The guest is on the destination: Nova has to go on."""
        migration = nova_objects.migration()
        data = migrate_data.LibvirtLiveMigrateData(migration=migration)
        for migration.save.side_effect in AWAY:
            post_method = mock.Mock()
            self.guest.saving_as_done(post_method)(1, 2, 3, True, data)
            post_method.assert_called_once_with(1, 2, 3, True, data)

    # The allowed downtime.

    def allowed(self):
        return [
            call.args[0]
            for call in self.domain.migrateSetMaxDowntime.call_args_list
        ]

    def test_disks_alone_raise_nothing(self):
        for self.now in (1, 4000, 8000):
            self.guest.get_job_info()
        self.assertEqual([], self.allowed())

    def test_steps_begin_with_the_memory_and_count_memory_only(self):
        self.now = 36000.0
        self.guest.get_job_info()
        self.job = {'type': RUNNING, 'memory_total': GIB}
        for seconds in (0, 1, 151, 1501):
            self.now = 36000.0 + seconds
            self.guest.get_job_info()
        self.assertEqual([50, 95, 500], self.allowed())

    def test_nova_s_own_schedule_never_lowers_it(self):
        self.job = {'type': RUNNING, 'memory_total': GIB}
        self.guest.get_job_info()
        self.now = 151.0
        self.guest.get_job_info()
        self.guest.migrate_configure_max_downtime(50)
        self.assertEqual([95], self.allowed())
        self.guest.migrate_configure_max_downtime(300)
        self.assertEqual([95, 300], self.allowed())


class FlattenProgressTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.objects = self.useFixture(
            fixtures.MockPatchObject(progress, 'objects')
        ).mock
        self.migration = self.objects.Migration.get_by_instance_and_status
        self.now = 0.0
        self.report = progress.FlattenProgress(
            nova_objects.instance(), clock=lambda: self.now
        )

    def saved(self):
        found = self.migration.return_value
        return (
            found.save.call_count,
            found.disk_processed,
            found.disk_total,
            found.disk_remaining,
        )

    def test_saved_as_seldom_as_nova_does(self):
        self.report.update(1, 10)
        self.now = 4.9
        self.report.update(2, 10)
        self.assertEqual((1, 1, 10, 9), self.saved())
        self.now = 5.0
        self.report.update(3, 10)
        self.assertEqual((2, 3, 10, 7), self.saved())
        self.assertEqual('preparing', self.migration.call_args.args[2])

    def test_a_nova_without_the_option(self):
        """Nova 31 to 33 save every five seconds."""
        older = types.SimpleNamespace(libvirt=types.SimpleNamespace())
        self.useFixture(fixtures.MockPatchObject(progress, 'CONF', older))
        self.test_saved_as_seldom_as_nova_does()

    def test_disks_add_up(self):
        self.report.update(1, 10)
        self.report.disk_done()
        self.now = 9.0
        self.report.update(5, 20)
        self.assertEqual((2, 15, 30, 15), self.saved())
        self.report.disk_done()
        self.assertEqual(core_progress.Progress(30, 30), self.report.shown)

    def test_a_migration_that_was_aborted_in_this_moment(self):
        self.migration.side_effect = exception.MigrationNotFoundByStatus(
            instance_id='uuid', status='preparing'
        )
        self.report.update(1, 10)
        self.assertEqual(core_progress.Progress(1, 10), self.report.shown)

    def test_figures_that_cannot_be_saved_do_not_end_the_flattening(self):
        for self.now, away in enumerate(AWAY):
            self.now *= 10
            self.migration.side_effect = away
            self.report.update(1, 10)
        self.migration.side_effect = None
        self.now += 10
        self.migration.return_value.save.side_effect = AWAY[0]
        self.report.update(2, 10)
        self.assertEqual(core_progress.Progress(2, 10), self.report.shown)
