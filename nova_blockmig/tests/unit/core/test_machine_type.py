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

from nova_blockmig.core import machine_type
from nova_blockmig.tests.unit import base

DEBIAN_12 = 7002022
DEBIAN_13 = 10000013


class MachineTypeTest(base.TestCase):
    def test_names_that_tell(self):
        self.assertEqual((7, 2), machine_type.needs('pc-i440fx-7.2'))
        self.assertEqual((10, 0), machine_type.needs('pc-q35-10.0'))

    def test_names_that_do_not(self):
        for name in ('pc', 'q35', 'pc-i440fx-noble', 'virt-9.2', '', None):
            self.assertIsNone(machine_type.needs(name), name)
            self.assertFalse(machine_type.is_too_new(name, DEBIAN_12), name)

    def test_newer_than_the_destination(self):
        for name in ('pc-i440fx-10.0', 'pc-q35-8.0', 'pc-i440fx-7.3'):
            self.assertTrue(machine_type.is_too_new(name, DEBIAN_12), name)

    def test_known_to_the_destination(self):
        for name in ('pc-i440fx-7.2', 'pc-q35-6.2', 'pc-i440fx-2.12'):
            self.assertFalse(machine_type.is_too_new(name, DEBIAN_12), name)
        for name in ('pc-i440fx-10.0', 'pc-q35-9.2'):
            self.assertFalse(machine_type.is_too_new(name, DEBIAN_13), name)

    def test_a_destination_that_does_not_say(self):
        self.assertFalse(machine_type.is_too_new('pc-q35-10.0', None))
