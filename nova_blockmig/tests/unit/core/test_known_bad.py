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

from nova_blockmig.core import known_bad
from nova_blockmig.tests.unit import base

QEMU, LIBVIRT = known_bad.Product.QEMU, known_bad.Product.LIBVIRT


class AffectsTest(base.TestCase):
    def affected(self, name):
        entry = known_bad.named(name)
        return [
            known_bad.dotted(version)
            for version in (
                (7, 2, 0),
                (7, 2, 22),
                (8, 0, 0),
                (8, 2, 2),
                (10, 0, 7),
                (10, 0, 8),
                (10, 0, 13),
                (10, 1, 0),
                (10, 2, 0),
                (11, 0, 0),
            )
            if entry.affects(version)
        ]

    def test_a_branch_that_was_mended_as_well(self):
        self.assertEqual(
            ['8.0.0', '8.2.2', '10.0.7', '10.1.0', '10.2.0'],
            self.affected('mirror-forgets-writes'),
        )

    def test_from_the_first_version_to_the_one_that_is_mended(self):
        self.assertEqual(
            ['10.1.0', '10.2.0'], self.affected('active-mirror-aborts')
        )
        self.assertEqual(
            ['7.2.0', '7.2.22', '8.0.0', '8.2.2'],
            self.affected('paused-twice'),
        )


class FoundTest(base.TestCase):
    def names(self, qemu, libvirt, *conditions):
        found = known_bad.found({QEMU: qemu, LIBVIRT: libvirt}, conditions)
        return [entry.name for entry in found]

    def test_debian_12(self):
        host = (7, 2, 22), (9, 0, 0)
        always = known_bad.When.ALWAYS, known_bad.When.INCOMING
        self.assertEqual([], self.names(*host, *always))
        self.assertEqual(
            ['tls-rekeying'], self.names(*host, known_bad.When.TLS)
        )

    def test_debian_13(self):
        self.assertEqual(
            ['xml-of-incoming-guests'],
            self.names(
                (10, 0, 13),
                (11, 3, 0),
                known_bad.When.ALWAYS,
                known_bad.When.FLATTEN,
                known_bad.When.INCOMING,
            ),
        )

    def test_an_unknown_future(self):
        self.assertEqual(
            [], self.names((99, 0, 0), (99, 0, 0), *known_bad.When)
        )


class TableTest(base.TestCase):
    def test_each_has_a_name_of_its_own(self):
        names = [entry.name for entry in known_bad.TABLE]
        self.assertEqual(len(names), len(set(names)))

    def test_ranges_are_not_empty(self):
        for entry in known_bad.TABLE:
            self.assertLess(entry.since, entry.fixed, entry.name)
            self.assertTrue(entry.affects(entry.since), entry.name)
            for mended in entry.fixed_in:
                self.assertFalse(entry.affects(mended), entry.name)
                before = (*mended[:2], mended[2] - 1)
                self.assertTrue(entry.affects(before), entry.name)

    def test_what_the_log_says(self):
        entry = known_bad.named('tls-rekeying')
        self.assertEqual(
            'libvirt 9.0.0 has a known defect with [libvirt] '
            'live_migration_with_native_tls = true: GnuTLS may crash the '
            'QEMU of the source in a long copy; install libvirt 11.6.0 or '
            'later and set migrate_tls_priority in qemu.conf as its release '
            'notes describe (release notes of libvirt 11.6.0)',
            entry.sentence((9, 0, 0)),
        )


class VersionTest(base.TestCase):
    def test_libvirt_s_number(self):
        self.assertEqual((10, 0, 13), known_bad.version(10000013))
        self.assertEqual((7, 2, 22), known_bad.version(7002022))
