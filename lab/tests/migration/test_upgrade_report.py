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

import dataclasses
from typing import Any

import testtools

from blocklab.migration import report
from blocklab.migration import upgrade_report

OLD = upgrade_report.Versions('12.11', '9.0.0', '7.2.17')
NEW = upgrade_report.Versions('13.3', '11.3.0', '10.0.13')
DISK = report.DiskRow(
    'disk.eph0', 1 << 30, 1 << 20, None, 'a' * 64, 'a' * 64, None
)
ARRIVAL = upgrade_report.Arrival(
    guest='pauses',
    source='server-01',
    destination='server2',
    status='PAUSED',
    machine=('pc-i440fx-7.2', 'pc-i440fx-7.2'),
    uptime=(50.0, 61.0),
    boots=('one', 'one'),
    disks=(DISK,),
)


def story(**changes: Any) -> upgrade_report.Story:
    """One step whose only guest arrived so."""
    step = upgrade_report.Step(
        'title',
        'nova-blockmig restore server2',
        'server-01',
        'server2',
        (OLD, NEW),
        (dataclasses.replace(ARRIVAL, **changes),),
    )
    return upgrade_report.Story((step,), ('pauses',), ())


class StoryTest(testtools.TestCase):
    def test_sound(self) -> None:
        self.assertTrue(story().sound)
        self.assertEqual([], story().wrong())

    def assert_wrong(self, clause: str, **changes: Any) -> None:
        found = story(**changes)
        self.assertFalse(found.sound)
        self.assertEqual([f'step 1: {clause}'], found.wrong())

    def test_a_guest_that_was_left_behind(self) -> None:
        self.assert_wrong('pauses is on server-01', destination='server-01')

    def test_a_guest_that_was_started_anew(self) -> None:
        anew = 'pauses was started anew'
        self.assert_wrong(anew, boots=('one', 'two'))
        self.assert_wrong(anew, uptime=(50.0, 3.0))
        self.assert_wrong(anew, machine=('pc-i440fx-7.2', 'pc-i440fx-10.0'))

    def test_a_disk_that_differs(self) -> None:
        differs = dataclasses.replace(DISK, sha256_after='b' * 64)
        self.assert_wrong(
            'disk.eph0 of pauses is not the same', disks=(DISK, differs)
        )

    def test_a_paused_guest_says_nothing_of_its_life(self) -> None:
        found = story(uptime=None, boots=None)
        self.assertTrue(found.sound)
        (line,) = upgrade_report.uptimes(found.steps[0])
        self.assertEqual('pauses is PAUSED: no word from it', line)

    def test_nothing_was_looked_at(self) -> None:
        self.assertFalse(story(disks=()).sound)
        self.assertFalse(upgrade_report.Story((), (), ()).sound)

    def test_what_the_guests_say_in_the_end_counts(self) -> None:
        found = dataclasses.replace(story(), at_the_end=('it reads wrong',))
        self.assertFalse(found.sound)
        self.assertEqual(['it reads wrong'], found.wrong())

    def test_the_table_names_guest_and_machine_once(self) -> None:
        text = upgrade_report.table(story(disks=(DISK, DISK)).steps[0])
        self.assertEqual(1, text.count('pc-i440fx-7.2'))
        self.assertEqual(2, text.count('disk.eph0'))
