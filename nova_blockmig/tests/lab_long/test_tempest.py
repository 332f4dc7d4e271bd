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

"""Tempest with the in-tree driver and with ours, on the same hosts."""

from typing import Any

from blocklab.commands import outcomes
from nova_blockmig.tests.lab import test_tempest as short


class TempestTest(short.TempestTestCase):
    def test_with_the_in_tree_driver_and_with_ours(self) -> None:
        self.use('in-tree', 'in-tree')
        in_tree = self.tempest(
            rf'^{short.UPSTREAM}\.', rf'^{short.OURS}\.test_running'
        )
        ours = self.with_ours()
        self.assert_upstream_passed(
            short.upstream(ours),
            short.NEWEST,
            'LiveMigrationTest',
            'LiveMigrationWithoutHostTest',
        )
        self.assert_alike(short.upstream(in_tree), short.upstream(ours))
        self.assert_in_tree_loses_data(short.plugin(in_tree))
        self.assert_all_passed(short.plugin(ours))

    def assert_alike(self, in_tree: list[Any], ours: list[Any]) -> None:
        """What passes and what is skipped."""
        self.assertEqual([], outcomes.failed(in_tree))
        for status in ('success', 'skip'):
            self.assertEqual(
                outcomes.named(in_tree, status), outcomes.named(ours, status)
            )

    def assert_in_tree_loses_data(self, found: list[Any]) -> None:
        (running,) = found
        self.assertEqual('fail', running.status)
        # Two ephemeral disks, swap and the config drive.
        for disk in ('vdb', 'vdc', 'vdd', 'sr0'):
            self.assertRegex(
                running.text, rf'{disk} \(static\): .*mismatches=1'
            )
