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

"""What is on its way to a host and not yet in its record."""

import datetime

import fixtures
from nova import exception

from nova_blockmig.compute import incoming
from nova_blockmig.compute import tracker
from nova_blockmig.core import capacity
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.tests.unit.compute import resource_check_case

MIB, GIB = 2**20, 2**30


class ReservationTest(resource_check_case.Case):
    """Two checks, of which the second is made before Nova shows the first.

    The database has nothing, so only the reservations are left.
    """

    def setUp(self):
        super().setUp()
        self.check = self.checker()
        self.first = resource_check_case.migration_data('tmpfirst')
        self.second = resource_check_case.migration_data('tmpsecond')
        self.start('first', self.first)

    def start(self, uuid, data):
        self.check.at_destination(
            'context',
            resource_check_case.instance(uuid),
            resource_check_case.row(),
            data,
            True,
            None,
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
        self.check.source_agreed(
            resource_check_case.instance('first'), self.first
        )
        self.check.check_ended(self.first)
        self.assert_refused('second')

    def test_the_first_was_rolled_back(self):
        self.check.source_agreed(
            resource_check_case.instance('first'), self.first
        )
        self.check.check_ended(self.first)
        self.check.rolled_back(resource_check_case.instance('first'))
        self.start('second', self.second)

    def test_the_same_instance_again(self):
        self.start('first', self.second)


class QueueTest(resource_check_case.Case):
    """An instance waits for longer than a reservation lasts."""

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.check = self.checker()
        self.first = resource_check_case.migration_data('tmpfirst')
        self.second = resource_check_case.migration_data('tmpsecond')
        self.start('first', self.first)

    def checker(self, mode=model.OverCommit.VIRTUAL):
        check = super().checker(mode)
        check._reservations = incoming.Reservations(lambda: self.now)
        return check

    def start(self, uuid, data):
        big = resource_check_case.instance(uuid, memory_mb=64)
        big.flavor.root_gb = 60
        self.check.at_destination(
            'context', big, resource_check_case.row(), data, True, None
        )
        return data.disk_available_mb // 1024

    def test_an_arrival_is_counted_until_the_record_has_it(self):
        first = resource_check_case.instance('first', memory_mb=64)
        first.flavor.root_gb = 60
        self.check.source_agreed(first, self.first)
        self.check.check_ended(self.first)
        self.now += 600
        self.assertEqual(62, self.start('second', self.second))
        self.check.check_ended(self.second)
        self.check.arrived(first)
        self.driver.list_instance_uuids.return_value = ['first']
        self.assertEqual(2, self.start('second', self.second))

    def test_an_arrival_is_never_in_the_way(self):
        first = resource_check_case.instance('first', memory_mb=64)
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


class LockTest(resource_check_case.Case):
    """A slow conductor holds up one check, not all of them."""

    def test_nobody_is_asked_under_the_lock(self):
        check = self.checker()

        def ask(*_):
            self.assertFalse(check._lock.locked())
            return []

        self.coming.side_effect = ask
        self.base.side_effect = lambda *_: ask() or None
        check.at_destination(
            'context',
            resource_check_case.instance(),
            resource_check_case.row(),
            resource_check_case.migration_data(),
            True,
            None,
        )
        self.coming.assert_called_once()
        self.base.assert_called_once()


class TrackedTest(resource_check_case.Case):
    """What Nova's tracker has counted is not taken off again."""

    MODE = model.OverCommit.ACTUAL

    def setUp(self):
        super().setUp()
        self.check = self.checker(self.MODE)
        self.fake(self.check.tracker, 'counted', return_value=self.counted())
        self.coming.return_value = [
            capacity.Incoming(
                'coming',
                3 * GIB,
                50 * GIB,
                0,
            )
        ]

    def counted(self):
        return tracker.Counted(frozenset({'coming'}), frozenset())

    def evaluate(self, uuid=resource_check_case.UUID, **columns):
        return self.check.evaluate(
            'context',
            resource_check_case.instance(uuid),
            resource_check_case.row(**columns),
            None,
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
        self.assertIn(
            ('local_gb x 0.5', int(57.5 * GIB)),
            found.disk.terms,
        )
