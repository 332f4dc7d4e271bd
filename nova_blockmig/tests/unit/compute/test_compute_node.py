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


"""Tests of reading a compute_nodes record; see also the truth tables."""

import datetime
from typing import Any

import nova.conf
from nova.objects import base as objects_base
from nova.objects import compute_node as compute_node_object
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import compute_node
from nova_blockmig.tests.unit import base

GIB = 2**30
NOW = datetime.datetime(2012, 7, 9, 16, 0, 0)
ROW: dict[str, Any] = {
    'host': 'server-01',
    'memory_mb': 20077,
    'memory_mb_used': 2289,
    'free_ram_mb': 7277,
    'ram_allocation_ratio': 1.0,
    'local_gb': 115,
    'local_gb_used': 21,
    'free_disk_gb': 95,
    'disk_allocation_ratio': 1.0,
    'disk_available_least': 62,
    'created_at': datetime.datetime(2012, 5, 23, 10, 14, 12),
    'updated_at': datetime.datetime(2012, 7, 9, 15, 48, 53),
}


class Case(base.TestCase):
    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))


class FromRowTest(Case):
    def test_what_nova_makes_of_its_record(self):
        """Its dates have a time zone, and columns may be left out."""
        node = compute_node_object.ComputeNode(**ROW)
        row = objects_base.obj_to_primitive(node)
        self.assertIsNotNone(row['updated_at'].tzinfo)
        self.assertEqual(
            compute_node.from_row(ROW, NOW), compute_node.from_row(row, NOW)
        )

    def test_a_record_that_was_never_updated(self):
        row = {**ROW, 'updated_at': None}
        age = (NOW - ROW['created_at']).total_seconds()
        self.assertEqual(age, compute_node.from_row(row, NOW).age_seconds)

    def test_an_idle_host_confirms_a_record_that_is_not_rewritten(self):
        later = NOW + datetime.timedelta(days=1)
        host = compute_node.from_row(ROW, later, confirmed_seconds=30.0)
        self.assertEqual(30.0, host.age_seconds)
        self.assertFalse(host.stale)

    def test_a_confirmation_that_is_old_itself(self):
        later = NOW + datetime.timedelta(days=1)
        self.assertTrue(compute_node.from_row(ROW, later, 301.0).stale)

    def test_a_new_record_needs_no_confirmation(self):
        host = compute_node.from_row(ROW, ROW['updated_at'], 301.0)
        self.assertFalse(host.stale)

    def test_columns_that_are_not_there(self):
        host = compute_node.from_row({}, NOW)
        self.assertEqual('the destination', host.host)
        self.assertIsNone(host.disk_available_least_bytes)
        self.assertEqual(0, host.memory_bytes)

    def test_now_is_the_default(self):
        host = compute_node.from_row({**ROW, 'updated_at': NOW})
        self.assertTrue(host.stale)

    def test_ratio_of_nova_conf(self):
        self.conf.config(ram_allocation_ratio=None)
        self.conf.config(initial_ram_allocation_ratio=1.5)
        row = {**ROW, 'ram_allocation_ratio': 0.0}
        self.assertEqual(1.5, compute_node.from_row(row).ram_allocation_ratio)
        self.conf.config(ram_allocation_ratio=2.0)
        self.assertEqual(2.0, compute_node.from_row(row).ram_allocation_ratio)

    def test_ratio_of_placement_wins(self):
        ratios = {'MEMORY_MB': 1.5, 'DISK_GB': 0.5}
        host = compute_node.from_row(ROW, ratios=ratios)
        self.assertEqual(
            (1.5, 0.5),
            (host.ram_allocation_ratio, host.disk_allocation_ratio),
        )
        host = compute_node.from_row(ROW, ratios={'VCPU': 4.0})
        self.assertEqual(1.0, host.ram_allocation_ratio)

    def test_ratio_zero_everywhere_is_no_over_commit(self):
        self.conf.config(disk_allocation_ratio=0.0)
        self.conf.config(initial_disk_allocation_ratio=0.0)
        row = {**ROW, 'disk_allocation_ratio': None}
        self.assertEqual(1.0, compute_node.from_row(row).disk_allocation_ratio)


class StaleAfterTest(Case):
    def stale_after(self, seconds):
        self.conf.config(update_resources_interval=seconds)
        return compute_node.stale_after()

    def test_five_runs(self):
        self.assertEqual(300, self.stale_after(0))
        self.assertEqual(3000, self.stale_after(600))

    def test_a_slow_report_is_no_failed_run(self):
        """libvirt may need half a minute for each incoming domain."""
        self.conf.config(update_resources_interval=60)
        self.assertEqual(5 * (60 + 480), compute_node.stale_after(480.0))
        later = NOW + datetime.timedelta(seconds=600)
        host = compute_node.from_row(ROW, later, report_seconds=480.0)
        self.assertFalse(host.stale)
        self.assertTrue(compute_node.from_row(ROW, later).stale)

    def test_a_report_that_hangs(self):
        self.conf.config(update_resources_interval=60)
        self.assertEqual(5 * (60 + 600), compute_node.stale_after(1e6))

    def test_switched_off(self):
        self.assertIsNone(self.stale_after(-1))


class WithoutNullTest(base.TestCase):
    def test_null_becomes_zero(self):
        row = {**ROW, 'disk_available_least': None, 'free_disk_gb': None}
        calm = compute_node.without_null(row)
        self.assertEqual(0, calm['disk_available_least'])
        self.assertEqual(0, calm['free_disk_gb'])

    def test_the_rest_stays(self):
        self.assertEqual(ROW, compute_node.without_null(ROW))

    def test_the_record_itself_stays(self):
        row = {**ROW, 'disk_available_least': None}
        compute_node.without_null(row)
        self.assertIsNone(row['disk_available_least'])


class ReservedTest(Case):
    def test_bytes(self):
        self.conf.config(reserved_host_disk_mb=2048)
        self.assertEqual(2 * GIB, compute_node.reserved_bytes())
