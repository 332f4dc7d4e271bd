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

"""Flavors of the lab."""

from types import SimpleNamespace
from typing import Any
import unittest
from unittest import mock

from blocklab.migration.scenario import Flavor


class Flavors(unittest.TestCase):
    def setUp(self) -> None:
        self.compute = mock.Mock()
        self.lab: Any = SimpleNamespace(
            cloud=SimpleNamespace(compute=self.compute)
        )

    def test_shape_is_in_the_name(self) -> None:
        self.assertEqual('lab.256m.1c.10d.20e.512s', Flavor().name)
        self.assertNotEqual(Flavor().name, Flavor(swap_mib=0).name)

    def test_made_once(self) -> None:
        found = Flavor().ensure(self.lab)
        self.assertIs(self.compute.find_flavor.return_value, found)
        self.compute.create_flavor.assert_not_called()

    def test_units_are_novas(self) -> None:
        self.compute.find_flavor.return_value = None
        Flavor().ensure(self.lab, 'm1.medium')
        self.compute.create_flavor.assert_called_once_with(
            name='m1.medium', ram=256, vcpus=1, disk=10, ephemeral=20, swap=512
        )
