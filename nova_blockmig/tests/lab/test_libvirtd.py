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

"""libvirtd is restarted under a guest, as an upgrade of its package does."""

from blocklab.migration import scenario
from nova_blockmig.tests.lab import base

# No other test has an ephemeral disk of this size, so that only the source
# has its base.
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=3, swap_mib=80
)


class RestartedTest(base.LabTestCase):
    def test_a_guest_that_libvirtd_has_found_again(self) -> None:
        self.use()
        instance = self.boot(FLAVOR)
        self.lab.restart([f'libvirtd@{base.SOURCE}'])
        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())
        # QEMU has below each disk what the disk's header names.
        xml = instance.host.run(['virsh', 'dumpxml', instance.id])
        for disk in before:
            path = f'{base.INSTANCES}/{instance.id}/{disk}'
            info = instance.host.run(['qemu-img', 'info', '-U', path])
            listed = xml.partition(f"'{path}'")[2].partition('</disk>')[0]
            self.assertEqual(
                'backing file:' in info, '/_base/' in listed, f'{disk}: {xml}'
            )
