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

from unittest import mock

import fixtures
from nova import exception
import nova.conf
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import known_versions
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

SYNCHRONOUS = 1 << 18
DEBIAN_12, DEBIAN_13 = (9000000, 7002022), (11003000, 10000013)


class KnownVersionsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.log = self.useFixture(fixtures.FakeLogger())

    def start(self, numbers, used=128):
        known_versions.check_at_start(known_versions.versions(*numbers), used)
        return self.log.output

    def test_nothing_known_nothing_said(self):
        self.assertEqual('', self.start(DEBIAN_12))

    def test_a_warning_for_this_host(self):
        self.assertIn('libvirt 11.3.0 has a known', self.start(DEBIAN_13))

    def test_a_warning_for_this_configuration(self):
        self.conf.config(group='libvirt', live_migration_with_native_tls=True)
        self.assertIn('GnuTLS', self.start(DEBIAN_12))

    def test_what_ends_a_guest_ends_the_start(self):
        numbers = 11003000, 10001000
        self.start(numbers)
        exc = self.assertRaises(
            exception.InvalidConfiguration, self.start, numbers, SYNCHRONOUS
        )
        self.assertIn('QEMU 10.1.0', str(exc))
        self.assertIn('remove the flag', str(exc))

    def test_flattening(self):
        host = nova_objects.host(*DEBIAN_12)
        known_versions.warn_of_flattening(host, mock.sentinel.instance)
        self.assertIn('QEMU 7.2.22', self.log.output)
        self.assertIn('discard', self.log.output)
