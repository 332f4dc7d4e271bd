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

"""What a soak does is decided by its seed."""

import unittest

from blocklab.soak import plan


class InstanceTest(unittest.TestCase):
    def test_the_same_seed_gives_the_same(self) -> None:
        for number in range(20):
            self.assertEqual(
                plan.instance(7, number), plan.instance(7, number)
            )

    def test_another_seed_gives_others(self) -> None:
        self.assertNotEqual(
            [plan.instance(7, number) for number in range(5)],
            [plan.instance(8, number) for number in range(5)],
        )

    def test_everything_comes_up(self) -> None:
        found = [plan.instance(1, number) for number in range(200)]
        self.assertEqual(
            set(plan.FILE_SYSTEMS),
            {kind for each in found for kind, _ in each.ephemeral},
        )
        self.assertEqual(set(plan.BUSES), {each.image.bus for each in found})
        self.assertEqual(
            set(plan.IMAGE_FORMATS),
            {each.image.disk_format for each in found},
        )
        self.assertEqual({True, False}, {each.config_drive for each in found})
        self.assertEqual(
            {True, False}, {paused for each in found for paused in each.paused}
        )
        self.assertEqual({0, 1, 2}, {len(each.ephemeral) for each in found})

    def test_as_many_moves_as_asked_for(self) -> None:
        self.assertEqual(6, len(plan.instance(1, 0, 6).paused))
