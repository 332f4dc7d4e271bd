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


"""What is pinned differently where the pin cannot be built."""

import testtools

from blocklab.machine import pins


class LibvirtPythonTest(testtools.TestCase):
    def test_the_pin_stays_where_it_can_be_built(self) -> None:
        same = 'libvirt-python==11.0.0\nnova==31.0.0\n'
        for libvirt in ('9.0.0', '10.11.0', '11.0.0'):
            self.assertEqual(same, pins.with_libvirt(same, libvirt))

    def test_a_newer_libvirt_has_its_own(self) -> None:
        self.assertEqual(
            'libvirt==1\nlibvirt-python==11.3.0\n',
            pins.with_libvirt(
                'libvirt==1\nlibvirt-python==11.0.0\n', '11.3.0'
            ),
        )
