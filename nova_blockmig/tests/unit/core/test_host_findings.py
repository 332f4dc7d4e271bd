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

from nova_blockmig.core import host_findings
from nova_blockmig.tests.unit import base

GIB = 2**30
GOOD, CARE, BAD = host_findings.Level


class TestFindings(base.TestCase):
    def assert_found(
        self, level: host_findings.Level, words: str,
        found: host_findings.Finding,
    ) -> None:  # fmt: skip
        self.assertIs(level, found.level)
        self.assertIn(words, found.text)

    def test_driver(self) -> None:
        find = host_findings.driver
        self.assert_found(GOOD, '', find('nova_blockmig.LibvirtDriver'))
        for other in ('libvirt.LibvirtDriver', None):
            self.assert_found(CARE, 'Set compute_driver', find(other))

    def test_images_type(self) -> None:
        for name in ('qcow2', 'raw'):
            self.assert_found(GOOD, name, host_findings.images_type(name))
        self.assert_found(CARE, 'rbd', host_findings.images_type('rbd'))

    def test_transport(self) -> None:
        find = host_findings.transport
        tcp, ssh = 'qemu+tcp://x/system', 'qemu+ssh://x/system'
        self.assert_found(GOOD, 'TLS', find('', tcp, native_tls=True))
        self.assert_found(
            CARE, 'libvirt, memory', find('', tcp, native_tls=False)
        )
        self.assert_found(CARE, ': memory', find('ssh', ssh, native_tls=False))

    def test_free_space(self) -> None:
        find = host_findings.free_space
        self.assert_found(GOOD, '5 GiB', find('/x', 5 * GIB, GIB))
        self.assert_found(CARE, '1 GiB', find('/x', GIB, GIB))

    def test_config_drive(self) -> None:
        def find(iso9660: bool, forced: bool, limit: int) -> object:
            return host_findings.config_drive(
                iso9660=iso9660, forced=forced, inline_bytes=limit
            ).level

        self.assertIs(GOOD, find(iso9660=True, forced=True, limit=1))
        self.assertIs(GOOD, find(iso9660=False, forced=True, limit=0))
        self.assertIs(CARE, find(iso9660=True, forced=False, limit=0))
        self.assertIs(BAD, find(iso9660=True, forced=True, limit=0))
