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

import datetime
from unittest import mock

from nova import objects
from nova.objects import instance_action

from nova_blockmig.compute import paused_guests
from nova_blockmig.core import errors
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects


def at(minute):
    return datetime.datetime(2026, 1, 1, 0, minute, tzinfo=datetime.UTC)


class PausedTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.driver = nova_objects.driver()
        self.driver._host.has_min_version.return_value = False
        self.instance = nova_objects.instance(vm_state='paused')
        self.migrations = []
        self.actions = []
        self.useFixture(
            nova_objects.answering(
                'MigrationList', get_by_filters=lambda *args: self.migrations
            )
        )
        self.useFixture(
            nova_objects.answering(
                'InstanceActionList',
                get_by_instance_uuid=lambda *args: self.actions,
            )
        )

    def moved(self, minute):
        self.migrations.append(nova_objects.migration(created_at=at(minute)))

    def act(self, action, minute):
        self.actions.append(
            instance_action.InstanceAction(
                action=action, start_time=at(minute)
            )
        )

    def check(self, not_copied=('sda',)):
        paused_guests.assert_may_move(
            self.driver, mock.sentinel.ctx, self.instance, not_copied
        )

    def refused(self):
        exc = self.assertRaises(errors.NeverResumed, self.check)
        return str(exc)

    def test_a_first_move(self):
        self.act('pause', 1)
        self.check()

    def test_a_second_move(self):
        self.act('pause', 1)
        self.moved(2)
        message = self.refused()
        self.assertIn('sda', message)
        self.assertIn('unpause', message)

    def test_resumed_and_paused_again(self):
        self.act('pause', 1)
        self.moved(2)
        self.act('unpause', 3)
        self.act('pause', 4)
        self.check()

    def test_the_latest_of_several_moves_counts(self):
        self.moved(1)
        self.act('pause', 2)
        self.moved(3)
        self.refused()

    def test_a_pause_that_nova_forgot(self):
        # instance_actions are archived after a while.
        self.moved(2)
        self.refused()

    def test_a_qemu_that_can(self):
        self.moved(2)
        self.driver._host.has_min_version.return_value = True
        self.check()
        self.driver._host.has_min_version.assert_called_once_with(
            hv_ver=(10, 0, 0)
        )

    def test_all_disks_are_copied(self):
        self.moved(2)
        self.check(not_copied=())
        objects.MigrationList.get_by_filters.assert_not_called()

    def test_a_running_guest_costs_no_query(self):
        self.instance.vm_state = 'active'
        self.moved(2)
        self.check()
        objects.MigrationList.get_by_filters.assert_not_called()
