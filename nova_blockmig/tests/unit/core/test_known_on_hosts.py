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
"""Tests of known defects on either side of a migration."""

import dataclasses

from nova_blockmig.core import known_on_hosts
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.core import test_dry_run

OLD = {'QEMU': 8002002, 'libvirt': 11003000}
GOOD = {'QEMU': 11000000, 'libvirt': 11006000}


class KnownOnHostsTest(base.TestCase):
    def of_source(self, *, running=True, **changed):
        source = dataclasses.replace(
            test_dry_run.SOURCE, **{'versions': OLD, **changed}
        )
        found = known_on_hosts.of_source(source, running=running)
        return [each.entry.name for each in found]

    def test_a_guest_that_writes(self):
        self.assertEqual(['mirror-forgets-writes'], self.of_source())
        self.assertEqual([], self.of_source(running=False))
        self.assertEqual([], self.of_source(versions=GOOD))

    def test_a_disk_that_is_flattened(self):
        disk = dataclasses.replace(test_dry_run.DISK, method='flatten')
        self.assertEqual(
            ['mirror-forgets-writes', 'discard-during-stream'],
            self.of_source(disks=(disk,)),
        )

    def test_flags(self):
        self.assertEqual(
            ['tls-rekeying'],
            self.of_source(running=False, flags=('VIR_MIGRATE_TLS',)),
        )
        self.assertEqual(
            ['active-mirror-aborts'],
            self.of_source(
                running=False,
                versions={'QEMU': 10001000},
                flags=('VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES',),
            ),
        )

    def test_a_host_that_does_not_say(self):
        self.assertEqual([], self.of_source(versions={}))

    def test_where_it_arrives(self):
        there = dataclasses.replace(test_dry_run.DESTINATION, versions=OLD)
        (found,) = known_on_hosts.of_destination(there)
        self.assertEqual('xml-of-incoming-guests', found.entry.name)
        self.assertIn('server-01: libvirt 11.3.0 has', found.sentence())
        self.assertEqual(
            (), known_on_hosts.of_destination(test_dry_run.DESTINATION)
        )
