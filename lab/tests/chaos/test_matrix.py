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

"""The fault matrix: what a name means, and what makes no sense."""

import unittest

from blocklab.chaos import matrix
from blocklab.machine.errors import BadInput


class CellsTest(unittest.TestCase):
    def test_each_name_is_there_once(self) -> None:
        names = [cell.name for cell in matrix.cells()]
        self.assertEqual(len(set(names)), len(names))

    def test_every_step_and_every_fault_has_a_cell(self) -> None:
        cells = matrix.cells()
        self.assertEqual(set(matrix.STEPS), {cell.step for cell in cells})
        self.assertEqual(
            set(matrix.FAULTS), {cell.fault.name for cell in cells}
        )

    def test_a_fault_is_limited_to_steps_that_there_are(self) -> None:
        for fault in matrix.FAULTS.values():
            self.assertLessEqual(set(fault.steps), set(matrix.STEPS))

    def test_there_is_no_qemu_to_kill_before_the_copy(self) -> None:
        names = {cell.name for cell in matrix.cells()}
        self.assertNotIn('flatten:qemu-destination', names)
        self.assertIn('copy:qemu-destination', names)

    def test_whose_death_is_the_guests(self) -> None:
        (source,) = matrix.chosen(['copy:qemu-source'], 'blockmig')
        (early,) = matrix.chosen(['copy:qemu-destination'], 'blockmig')
        (late,) = matrix.chosen(['clean-up:qemu-destination'], 'blockmig')
        (other,) = matrix.chosen(['copy:libvirtd-source'], 'blockmig')
        self.assertEqual(
            [True, False, True, False],
            [each.guest_may_die for each in (source, early, late, other)],
        )

    def test_only_a_full_disk_needs_a_small_one(self) -> None:
        (full,) = matrix.chosen(['copy:full-destination'], 'blockmig')
        self.assertEqual('destination', full.needs_small_disk)
        (other,) = matrix.chosen(['copy:compute-source'], 'blockmig')
        self.assertEqual('', other.needs_small_disk)


class ChosenTest(unittest.TestCase):
    def test_all_of_them_by_default(self) -> None:
        self.assertEqual(matrix.cells(), matrix.chosen([], 'blockmig'))

    def test_patterns_decide_the_order(self) -> None:
        found = matrix.chosen(['copy:abort', 'copy:link-*'], 'blockmig')
        self.assertEqual(
            ['copy:abort', 'copy:link-2s', 'copy:link-30s', 'copy:link-cut'],
            [cell.name for cell in found],
        )

    def test_in_tree_has_no_flattening(self) -> None:
        self.assertNotIn(
            'flatten', {cell.step for cell in matrix.chosen([], 'in-tree')}
        )
        with self.assertRaises(BadInput):
            matrix.chosen(['flatten:abort'], 'in-tree')

    def test_a_name_that_is_none(self) -> None:
        with self.assertRaises(BadInput):
            matrix.chosen(['copy:meteor'], 'blockmig')
