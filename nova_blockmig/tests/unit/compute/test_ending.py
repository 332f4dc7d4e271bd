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

import types
from unittest import mock

import fixtures
from nova import exception
from nova.compute import utils as compute_utils
import nova.conf
from nova.objects import migrate_data
from nova.virt.libvirt import driver as libvirt_driver
from oslo_config import fixture as config_fixture
import oslo_messaging as messaging

from nova_blockmig import driver
from nova_blockmig.compute import departure
from nova_blockmig.compute import ending
from nova_blockmig.compute import record
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

NO_DOMAIN = 42
ABORTED = 78
RUNNING, SHUTOFF, CRASHED = 1, 5, 6
SHUTDOWN, MIGRATED = 1, 4


class LibvirtError(Exception):
    def __init__(self, message, code=38):
        super().__init__(message)
        self._code = code

    def get_error_code(self):
        return self._code


class Case(base.TestCase):
    def setUp(self):
        super().setUp()
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(host='server2')
        self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver,
                'libvirt',
                new=types.SimpleNamespace(
                    libvirtError=LibvirtError, VIR_ERR_NO_DOMAIN=NO_DOMAIN
                ),
            )
        )
        self.events = self.useFixture(
            fixtures.MockPatchObject(
                compute_utils.objects, 'InstanceActionEvent', create=True
            )
        ).mock
        self.instance = nova_objects.instance()

    def reported(self):
        """The name of each event, and what it says."""
        return [
            (call.args[2], str(call.kwargs['exc_val']))
            for call in self.events.event_finish_with_failure.call_args_list
        ]


class CopyTest(Case):
    def setUp(self):
        super().setUp()
        self.operation = self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver,
                '_live_migration_operation',
                autospec=True,
            )
        ).mock
        self.useFixture(
            fixtures.MockPatch(
                'nova_blockmig.compute.flags.guest_to_migrate',
                lambda libvirt, guest, names, **kwargs: guest,
            )
        )
        conf = nova.conf.CONF
        driver.conf.register_opts(conf)
        self.driver = driver.LibvirtDriver.__new__(driver.LibvirtDriver)
        self.driver._block_migration_flags = 0
        self.driver._host = nova_objects.host()
        self.driver._host.get_guest.side_effect = exception.InstanceNotFound(
            instance_id='uuid'
        )
        directory = self.useFixture(fixtures.TempDir()).path
        self.useFixture(
            fixtures.MockPatch(
                'nova.virt.libvirt.utils.get_instance_path',
                lambda instance: directory,
            )
        )
        self.driver._source = types.SimpleNamespace(records=record.Records())

    def kept(self):
        return self.driver._source.records.copy(self.instance)

    def copy(self, block_migration=True):
        self.driver._live_migration_operation(
            mock.sentinel.ctx,
            self.instance,
            'server-01',
            block_migration,
            migrate_data.LibvirtLiveMigrateData(
                block_migration=block_migration
            ),
            mock.sentinel.guest,
            ['vda'],
        )

    def test_one_that_fails_says_why_and_is_left_to_the_monitor(self):
        self.operation.side_effect = LibvirtError(
            'Unable to read from monitor'
        )
        self.copy()
        ((name, reason),) = self.reported()
        self.assertEqual('compute_live_migration_copy', name)
        self.assertIn('Unable to read from monitor', reason)
        self.assertEqual(
            record.Copy('Unable to read from monitor'), self.kept()
        )

    def test_one_that_succeeds(self):
        self.copy()
        self.assertEqual([], self.reported())
        self.assertEqual(record.Copy(), self.kept())
        self.operation.assert_called_once()

    def test_a_deliberate_abort_is_no_error(self):
        self.operation.side_effect = LibvirtError('canceled', ABORTED)
        self.copy()
        self.assertEqual([], self.reported())
        self.assertEqual(record.Copy('canceled', aborted=True), self.kept())

    def test_no_event_can_be_written(self):
        self.operation.side_effect = LibvirtError('lost')
        self.events.event_start.side_effect = OSError('no message bus')
        self.copy()

    def test_other_live_migrations_are_nova_s(self):
        self.operation.side_effect = LibvirtError('lost')
        self.assertRaises(LibvirtError, self.copy, block_migration=False)


class ReportTest(Case):
    def test_the_sentence_is_kept_for_who_may_read_it(self):
        ending.report(mock.sentinel.ctx, self.instance, 'flatten', 'why')
        call = self.events.event_finish_with_failure.call_args
        # Nova would keep the class of any other exception only.
        self.assertIsInstance(call.kwargs['exc_val'], exception.NovaException)
        self.assertIn('why', call.kwargs['exc_val'].format_message())
        self.assertIsNotNone(call.kwargs['exc_tb'])

    def test_the_request_is_known_where_nova_does_not_say_it(self):
        self.useFixture(
            fixtures.MockPatch(
                'oslo_context.context.get_current',
                return_value=mock.sentinel.request,
            )
        )
        ending.report_preparation(self.instance, 'why')
        call = self.events.event_finish_with_failure.call_args
        self.assertEqual(
            (
                mock.sentinel.request,
                nova_objects.UUID,
                'compute_live_migration_prepare',
            ),
            call.args,
        )


class EndedHereTest(Case):
    def setUp(self):
        super().setUp()
        self.guest = nova_objects.guest()
        self.guest.is_active.return_value = False
        self.monitor = self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver,
                '_live_migration_monitor',
                side_effect=self.completed,
                autospec=True,
            )
        ).mock
        self.driver = driver.LibvirtDriver.__new__(driver.LibvirtDriver)
        self.driver._host = nova_objects.host()
        # What tells the bytes of the disks is not looked at here.
        self.driver._source = mock.Mock()
        watching = self.driver._source.records.watching.return_value
        watching.__enter__ = lambda _: self.watched
        watching.__exit__ = lambda *args: None
        self.copy = record.Copy()
        self.driver._source.records.copy.return_value = self.copy
        self.post, self.recover = mock.Mock(), mock.Mock()
        self.useFixture(fixtures.MockPatch('time.sleep'))

    @staticmethod
    def completed(driver, context, instance, guest, dest, post, recover,
                  block, data, *args):  # fmt: skip
        """What Nova's monitor does when the domain is not active."""
        post(context, instance, dest, block, data)

    @property
    def watched(self):
        self.guest.saving_as_done = lambda post: post
        return self.guest

    def watch(self, block_migration=True):
        self.data = migrate_data.LibvirtLiveMigrateData(
            block_migration=block_migration
        )
        self.driver._live_migration_monitor(
            mock.sentinel.ctx,
            self.instance,
            self.guest,
            'server-01',
            self.post,
            self.recover,
            block_migration,
            self.data,
            mock.sentinel.future,
            [],
        )

    def assert_left(self):
        self.post.assert_called_once_with(
            mock.sentinel.ctx, self.instance, 'server-01', True, self.data
        )
        self.recover.assert_not_called()
        self.assertEqual([], self.reported())

    def assert_stayed(self):
        self.recover.assert_called_once_with(
            mock.sentinel.ctx, self.instance, 'server-01', self.data
        )
        self.post.assert_not_called()
        # libvirt's own words have an event of their own name.
        ((name, reason),) = self.reported()
        self.assertEqual('compute_live_migration_ended_on_source', name)
        self.assertIn('stopped on the source', reason)
        self.assertIn('stopped on the source', self.copy.reason)

    def test_an_aborted_one_is_cancelled_and_has_not_failed(self):
        def failed(
            driver, context, instance, guest, dest, post, recover, *args
        ):
            recover(context, instance, dest, self.data)

        self.monitor.side_effect = failed
        for aborted, status in (
            (True, {'migration_status': 'cancelled'}),
            (False, {}),
        ):
            self.recover.reset_mock()
            self.copy.aborted = aborted
            self.watch()
            self.recover.assert_called_once_with(
                mock.sentinel.ctx,
                self.instance,
                'server-01',
                self.data,
                **status,
            )

    def test_a_guest_that_was_shut_down_did_not_leave(self):
        self.guest._domain.state.return_value = [SHUTOFF, SHUTDOWN]
        self.watch()
        self.assert_stayed()

    def test_a_guest_whose_qemu_died_did_not_leave(self):
        for state in ([SHUTOFF, 3], [SHUTOFF, 6], [CRASHED, 1]):
            self.guest._domain.state.return_value = state
            self.assertTrue(departure.ended_here(self.guest), state)

    def test_a_domain_that_is_gone(self):
        self.guest.is_active.side_effect = LibvirtError('?', NO_DOMAIN)
        self.watch()
        self.assert_left()

    def test_a_domain_that_was_migrated(self):
        self.guest._domain.state.return_value = [SHUTOFF, MIGRATED]
        self.watch()
        self.assert_left()

    def test_a_domain_that_is_active_is_nova_s_decision(self):
        self.guest.is_active.return_value = True
        self.watch()
        self.assert_left()

    def test_nothing_is_removed_if_libvirt_does_not_answer(self):
        self.guest.is_active.side_effect = LibvirtError('?')
        self.driver._host.get_guest.return_value = self.guest
        self.assertRaises(LibvirtError, self.watch)
        self.post.assert_not_called()
        self.recover.assert_not_called()

    def test_libvirt_is_asked_again_after_its_restart(self):
        self.guest.is_active.side_effect = [
            LibvirtError('connection lost'),
            False,
        ]
        found = nova_objects.guest()
        found._domain.state.return_value = [SHUTOFF, SHUTDOWN]
        self.driver._host.get_guest.side_effect = [
            exception.HypervisorUnavailable(),
            found,
        ]
        self.watch()
        self.assertIs(found._domain, self.guest._domain)
        self.assert_stayed()

    def test_libvirt_stays_away(self):
        self.guest.is_active.side_effect = LibvirtError('connection lost')
        self.driver._host.get_guest.side_effect = (
            exception.HypervisorUnavailable()
        )
        self.useFixture(
            fixtures.MockPatch('time.monotonic', side_effect=[0, 30, 61])
        )
        exc = self.assertRaises(LibvirtError, self.watch)
        self.assertEqual('connection lost', str(exc))
        self.assertEqual(2, self.driver._host.get_guest.call_count)

    def test_figures_that_cannot_be_saved_do_not_end_the_copy(self):
        """RabbitMQ, MariaDB or the conductor is restarted meanwhile."""
        self.guest.is_active.return_value = True
        self.monitor.side_effect = [
            messaging.MessagingTimeout('no reply'),
            messaging.RemoteError('DBConnectionError', 'gone'),
            messaging.MessageDeliveryFailure('closed'),
            messaging.MessagingTimeout('no reply'),
            None,
        ]
        self.watch()
        self.assertEqual(5, self.monitor.call_count)
        # Libvirt was not what failed.
        self.driver._host.get_guest.assert_not_called()

    def test_what_nova_cannot_save_at_the_end_is_not_hidden(self):
        self.guest.is_active.return_value = True
        self.post.side_effect = messaging.MessagingTimeout('no reply')
        self.assertRaises(messaging.MessagingTimeout, self.watch)
        self.post.assert_called_once()

    def test_a_domain_that_went_meanwhile(self):
        self.guest.is_active.side_effect = LibvirtError('connection lost')
        self.driver._host.get_guest.side_effect = exception.InstanceNotFound(
            instance_id='uuid'
        )
        self.watch()
        self.assert_left()

    def test_what_the_manager_s_methods_raise_is_not_asked_again(self):
        self.guest.is_active.return_value = True
        self.post.side_effect = LibvirtError('cleanup')
        self.assertRaises(LibvirtError, self.watch)
        self.post.assert_called_once()

    def test_the_event_is_written_if_the_rollback_fails(self):
        self.guest._domain.state.return_value = [SHUTOFF, SHUTDOWN]
        self.recover.side_effect = ValueError
        self.assertRaises(ValueError, self.watch)
        self.assertEqual(1, len(self.reported()))

    def test_other_live_migrations_are_nova_s(self):
        self.guest._domain.state.return_value = [SHUTOFF, SHUTDOWN]
        self.watch(block_migration=False)
        self.post.assert_called_once()
