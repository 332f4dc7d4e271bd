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


"""Tests of the formulas that the truth tables do not reach."""

from nova_blockmig.core import capacity
from nova_blockmig.core import model
from nova_blockmig.core import resource_check
from nova_blockmig.core import verdict
from nova_blockmig.tests.unit import base

GIB = 2**30
VIRTUAL, ACTUAL = model.OverCommit.VIRTUAL, model.OverCommit.ACTUAL


def host(**values):
    given = {
        'host': 'server-01',
        'memory_bytes': 20 * GIB,
        'memory_used_bytes': 12 * GIB,
        'ram_allocation_ratio': 1.0,
        'local_bytes': 115 * GIB,
        'local_used_bytes': 21 * GIB,
        'disk_allocation_ratio': 1.0,
        'disk_available_least_bytes': 62 * GIB,
    }
    return capacity.HostCapacity(**{**given, **values})


class ImageBaseTest(base.TestCase):
    """The fetch needs more than what stays: the download goes at its end."""

    def check(self, free, kept=10 * GIB, peak=12 * GIB):
        base = capacity.ImageBase(kept, peak)
        room = capacity.DiskSpace(free_bytes=free, base=base)
        disk = resource_check.available_disk(host(), VIRTUAL, room)
        return resource_check.check_image_base(base, disk), disk

    def test_it_has_to_fit_at_its_largest(self):
        self.assertTrue(self.check(12 * GIB)[0].fits)
        self.assertFalse(self.check(12 * GIB - 1)[0].fits)

    def test_what_stays_is_gone_for_the_disks(self):
        self.assertEqual(2 * GIB, self.check(12 * GIB)[1].bytes)

    def test_it_is_not_taken_off_its_own_room(self):
        row = self.check(12 * GIB)[0]
        self.assertEqual(12 * GIB, row.available.bytes)
        self.assertEqual(
            (('free in instances_path', 12 * GIB),), row.available.terms
        )

    def test_unknown_size_does_not_fit(self):
        base = capacity.ImageBase(0, 0, unknown='Glance is down')
        there = verdict.Available(GIB)
        row = resource_check.check_image_base(base, there)
        self.assertFalse(row.fits)
        self.assertIn('Glance is down', row.summary())

    def test_unknown_room_holds_nothing(self):
        room = capacity.DiskSpace(free_bytes=GIB)
        disk = resource_check.available_disk(
            host(disk_available_least_bytes=None), VIRTUAL, room
        )
        row = resource_check.check_image_base(capacity.ImageBase(1, 1), disk)
        self.assertFalse(row.fits)
        self.assertIn('no disk_available_least', row.summary())


class DiskNeedTest(base.TestCase):
    def test_virtual_is_all_that_it_can_grow_to(self):
        disk = capacity.DiskNeed('disk.eph0', 20, 3, 5)
        self.assertEqual(20, disk.bytes(VIRTUAL))

    def test_actual_is_what_there_is_and_what_is_added(self):
        disk = capacity.DiskNeed('disk.eph0', 20, 3, 5)
        self.assertEqual(8, disk.bytes(ACTUAL))

    def test_disks_add_up(self):
        needs = [capacity.DiskNeed('a', 20, 3), capacity.DiskNeed('b', 7, 2)]
        there = verdict.Available(27)
        row = resource_check.check_disk(needs, VIRTUAL, there)
        self.assertEqual((27, True), (row.need_bytes, row.fits))


class StaleTest(base.TestCase):
    def test_age_is_told(self):
        old = host(age_seconds=721.4, stale_after_seconds=300)
        row = resource_check.check_ram(1, old)
        self.assertFalse(row.fits)
        self.assertIn('server-01 is 721 seconds old', row.summary())

    def test_never_without_a_periodic_task(self):
        self.assertFalse(host(age_seconds=10**9).stale)
