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

"""Tests of what the record counts."""

from nova.objects import compute_node as compute_node_object
from nova.virt import virtapi as nova_virtapi

from nova_blockmig.compute import nova
from nova_blockmig.compute import tracker
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

NODE = 'server-01'
A, B = 'aaaa', 'bbbb'
SUMS = {
    'memory_mb': 20077,
    'memory_mb_used': 12800,
    'free_ram_mb': 7277,
    'local_gb': 115,
    'local_gb_used': 21,
    'disk_available_least': 62,
}


class NovaTracker:
    """Nova's resource tracker, as far as it is looked at."""

    def __init__(self):
        self.compute_nodes = {}
        self.tracked_instances = set()
        self.tracked_migrations = {}

    def sums(self, **changed):
        node = compute_node_object.ComputeNode(**{**SUMS, **changed})
        self.compute_nodes[NODE] = node


class Case(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.tracker = tracker.Tracker(lambda: self.now)
        self.nova = NovaTracker()
        self.nova.sums()

    def report(self, *disks, seconds=0.0):
        with self.tracker.reporting():
            for uuid in disks:
                self.tracker.disks_seen(uuid)
            self.now += seconds

    def sum_up(self, inventory=None):
        self.tracker.summed_up(self.nova, NODE, inventory or {})

    def run_all(self, *disks):
        """What the periodic task does."""
        self.report(*disks)
        self.sum_up()

    def counted(self, **changed):
        return self.tracker.counted({**SUMS, **changed})


class CountedTest(Case):
    def test_nothing_is_known_at_first(self):
        self.assertEqual(tracker.Counted(), self.counted())

    def test_what_the_tracker_tracks(self):
        self.nova.tracked_instances = {A}
        self.nova.tracked_migrations = {B: 'a migration'}
        self.run_all(B)
        found = self.counted()
        self.assertEqual({A, B}, found.flavors)
        self.assertEqual({B}, found.disks)

    def test_the_lists_are_copied(self):
        self.nova.tracked_instances = {A}
        self.run_all()
        self.nova.tracked_instances.clear()
        self.assertEqual({A}, self.counted().flavors)

    def test_a_record_is_recognized_by_its_sums(self):
        self.run_all()
        self.nova.sums(memory_mb_used=14848, free_ram_mb=5229)
        self.nova.tracked_migrations = {A: 'a migration'}
        self.run_all()
        # Written before A came, and read before A was written.
        self.assertEqual(frozenset(), self.counted().flavors)
        now = {'memory_mb_used': 14848, 'free_ram_mb': 5229}
        self.assertEqual({A}, self.counted(**now).flavors)

    def test_of_equal_sums_the_newest(self):
        """One instance left, and one of the same flavor came."""
        for uuid in (A, B):
            self.nova.tracked_instances = {uuid}
            self.run_all()
        self.assertEqual({B}, self.counted().flavors)

    def test_an_unknown_record_has_what_two_runs_have(self):
        self.nova.tracked_instances = {A}
        self.run_all(A)
        self.assertEqual(
            frozenset(), self.counted(disk_available_least=7).flavors
        )
        self.nova.tracked_instances = {A, B}
        self.run_all(A, B)
        found = self.counted(disk_available_least=7)
        self.assertEqual(({A}, {A}), (found.flavors, found.disks))
        self.assertIsNone(found.seconds)

    def test_a_domain_that_libvirt_did_not_describe(self):
        """Nova goes on without it, so its disks are not in the report."""
        self.run_all(A)
        self.nova.sums(disk_available_least=70)
        self.run_all()
        self.assertEqual(
            frozenset(), self.counted(disk_available_least=70).disks
        )

    def test_disks_are_looked_at_for_other_reasons_too(self):
        self.tracker.disks_seen(A)
        self.run_all(B)
        self.tracker.disks_seen(A)
        self.assertEqual({B}, self.counted().disks)

    def test_a_claim_adds_to_the_last_report(self):
        self.run_all(A)
        self.now += 30
        self.nova.sums(memory_mb_used=14848)
        self.nova.tracked_instances = {B}
        self.sum_up()
        found = self.counted(memory_mb_used=14848)
        self.assertEqual(({B}, {A}), (found.flavors, found.disks))
        self.assertEqual(30.0, found.seconds)

    def test_no_manager(self):
        self.report()
        self.tracker.summed_up(None, NODE, {})
        self.tracker.summed_up(self.nova, 'another', {})
        self.assertEqual(tracker.Counted(), self.counted())

    def test_finding_novas_tracker(self):
        compute = nova_objects.manager()
        virtapi = nova_objects.virtapi(compute)
        self.assertIs(compute.rt, nova.resource_tracker(virtapi))
        self.assertIsNone(nova.resource_tracker(nova_virtapi.VirtAPI()))


class ConfirmedTest(Case):
    """How old a record is that did not have to be written."""

    def test_by_the_run_that_gave_its_sums(self):
        self.run_all()
        self.now += 30
        self.assertEqual(30.0, self.counted().seconds)

    def test_not_by_a_report_alone(self):
        """A tracker that fails after it, in each run, confirms nothing."""
        self.run_all()
        self.now += 3600
        self.report()
        self.assertEqual(3600.0, self.counted().seconds)

    def test_not_by_a_run_that_gave_other_sums(self):
        """And could not be written, or the record would have them."""
        self.run_all()
        self.now += 3600
        self.nova.sums(free_ram_mb=1)
        self.run_all()
        self.assertEqual(3600.0, self.counted().seconds)

    def test_a_report_that_failed(self):
        self.run_all(A)
        self.now += 3600
        try:
            with self.tracker.reporting():
                raise OSError('statvfs')
        except OSError:
            pass
        self.sum_up()
        found = self.counted()
        self.assertEqual((3600.0, {A}), (found.seconds, found.disks))


class ReportSecondsTest(Case):
    def test_the_last_one(self):
        self.assertEqual(0.0, self.tracker.report_seconds)
        self.report(seconds=480.0)
        self.assertEqual(480.0, self.tracker.report_seconds)
        self.report(seconds=1.0)
        self.assertEqual(1.0, self.tracker.report_seconds)

    def test_the_one_that_is_being_made(self):
        with self.tracker.reporting():
            self.now += 300
            self.assertEqual(300.0, self.tracker.report_seconds)


class RatiosTest(Case):
    def test_those_of_placement(self):
        self.sum_up(
            {
                'MEMORY_MB': {'allocation_ratio': 1.5, 'total': 1},
                'DISK_GB': {'allocation_ratio': 1.0},
                'VGPU': {'total': 1},
            }
        )
        self.assertEqual(
            {'MEMORY_MB': 1.5, 'DISK_GB': 1.0}, self.tracker.ratios
        )
