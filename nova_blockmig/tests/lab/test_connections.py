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

"""The ways in which libvirt gets to the destination.

The other tests use TCP. Which one it is is Nova's and libvirt's matter; that
disks and memory take it as well is seen here.
"""

from blocklab.migration import scenario
from blocklab.migration import ssh
from blocklab.migration import tls
from nova_blockmig.tests.lab import base

FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
SSH = {'live_migration_uri': 'qemu+ssh://root@%s/system'}
TLS = {
    'live_migration_uri': 'qemu+tls://%s/system',
    'live_migration_with_native_tls': 'true',
}
# Nobody can ask for vfat: a host makes it of itself.
VFAT = {
    base.SOURCE: {
        'DEFAULT': {
            'virt_mkfs': 'default=mkfs.vfat -n %(fs_label)s %(target)s'
        }
    }
}


def everywhere(options: dict[str, str]) -> base.Extra:
    return {
        host: {'libvirt': options, **VFAT.get(host, {})} for host in base.HOSTS
    }


class ConnectionTest(base.LabTestCase):
    def test_ssh_there_and_tls_back(self) -> None:
        self.use(extra=everywhere(SSH))
        instance = self.boot(FLAVOR)
        before = instance.pause_and_hash()
        with ssh.trust(self.lab):
            self.move(instance)
        self.assert_same(before, instance.hash())

        instance.unpause()
        self.use(extra=everywhere(TLS))
        with tls.certificates(self.lab):
            position = self.log_size(base.DESTINATION)
            before = instance.pause_and_hash()
            self.move(instance)
        self.assert_same(before, instance.hash())
        self.assertIn('qemu+tls://', self.logged(base.DESTINATION, position))
