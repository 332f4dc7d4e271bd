# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""A guest that has left is not started from its old disks."""

import functools
import os
from unittest import mock

import fixtures
from nova import exception
import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import utils as libvirt_utils
from oslo_config import fixture as config_fixture

from nova_blockmig import driver
from nova_blockmig.compute import departure
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

RUNNING, SHUTOFF = 1, 5
DESTROYED, MIGRATED = 2, 4


class LibvirtError(Exception):
    pass


class DepartureTest(base.TestCase):
    def setUp(self):
        super().setUp()
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(host='server2')
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.useFixture(
            fixtures.MockPatchObject(
                libvirt_utils,
                'get_instance_path',
                lambda instance: self.directory,
            )
        )
        self.instance = nova_objects.instance()
        self.host = nova_objects.host()
        self.is_here()

    def is_here(self, state=RUNNING, reason=1):
        self.host.get_guest.side_effect = None
        self.host.get_guest.return_value._domain.state.return_value = [
            state,
            reason,
        ]

    def is_gone(self):
        self.host.get_guest.side_effect = exception.InstanceNotFound(
            instance_id='uuid'
        )

    def fails_with(self, exc):
        self.host.get_guest.side_effect = exc

    @property
    def is_marked(self):
        return os.listdir(self.directory) == [departure.MARK]

    def copy(self, during=lambda: None):
        with departure.marked(self.host, self.instance, 'server-01'):
            self.assertTrue(self.is_marked)
            during()

    def start(self):
        departure.assert_not_left(self.host, self.instance)

    def test_a_guest_that_has_left(self):
        self.copy(self.is_gone)
        exc = self.assertRaises(exception.InstancePowerOnFailure, self.start)
        for word in ('server2', 'server-01', 'Nova and libvirt disagree'):
            self.assertIn(word, str(exc))
        self.assertTrue(self.is_marked)

    def test_libvirt_has_not_removed_what_has_left(self):
        self.copy(lambda: self.is_here(SHUTOFF, MIGRATED))
        self.assertRaises(exception.InstancePowerOnFailure, self.start)

    def test_a_guest_that_has_stayed(self):
        self.copy()
        self.assertFalse(self.is_marked)
        self.start()

    def test_a_copy_that_failed(self):
        self.assertRaises(ZeroDivisionError, self.copy, lambda: 1 // 0)
        self.assertFalse(self.is_marked)

    def test_a_guest_whose_qemu_died_in_mid_copy(self):
        self.copy(lambda: self.is_here(SHUTOFF, DESTROYED))
        self.start()

    def test_nova_compute_died_in_mid_copy_and_the_guest_stayed(self):
        with open(os.path.join(self.directory, departure.MARK), 'w'):
            pass
        self.start()
        self.assertFalse(self.is_marked)

    def test_libvirt_does_not_answer_at_the_end(self):
        for away in (
            exception.HypervisorUnavailable(),
            exception.InternalError(err='lost'),
            LibvirtError('lost'),
        ):
            self.is_here()
            self.copy(functools.partial(self.fails_with, away))
            self.assertTrue(self.is_marked)
            # It is asked before a start, and has to answer.
            self.assertRaises(type(away), self.start)
            self.is_here()
            self.start()
            self.assertFalse(self.is_marked)

    def test_a_directory_that_cannot_be_written_to(self):
        self.directory = '/proc/nowhere'
        with departure.marked(self.host, self.instance, 'server-01'):
            pass
        self.start()
        self.host.get_guest.assert_not_called()

    def test_a_mark_that_cannot_be_read_is_a_mark(self):
        os.mkdir(os.path.join(self.directory, departure.MARK))
        self.is_gone()
        exc = self.assertRaises(exception.InstancePowerOnFailure, self.start)
        self.assertIn('to another host', str(exc))

    def test_a_guest_that_was_never_moved_costs_no_question(self):
        self.start()
        self.host.get_guest.assert_not_called()


class DriverTest(DepartureTest):
    """Every start of Nova's driver goes through _hard_reboot."""

    def setUp(self):
        super().setUp()
        self.hard_reboot = self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver, '_hard_reboot', autospec=True
            )
        ).mock
        self.driver = driver.LibvirtDriver.__new__(driver.LibvirtDriver)
        self.driver._host = self.host

    def start(self):
        self.driver._hard_reboot(
            mock.sentinel.ctx, self.instance, [], None, accel_info=None
        )

    def test_a_guest_that_has_left(self):
        super().test_a_guest_that_has_left()
        self.hard_reboot.assert_not_called()

    def test_a_guest_that_has_stayed(self):
        super().test_a_guest_that_has_stayed()
        self.hard_reboot.assert_called_once_with(
            self.driver,
            mock.sentinel.ctx,
            self.instance,
            [],
            None,
            accel_info=None,
        )
