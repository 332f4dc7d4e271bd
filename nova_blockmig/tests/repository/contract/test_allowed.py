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

import pathlib

import fixtures

from nova_blockmig.tests.contract import allowed
from nova_blockmig.tests.contract import environment
from nova_blockmig.tests.contract import main
from nova_blockmig.tests.unit import base

GOOD = "test = 'a.b'\nours = 'fail'\nreason = 'why'\n"


class AllowedTest(base.TestCase):
    def read(self, text):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'file')
        path.write_text(text)
        return allowed.read(path)

    def test_an_entry(self):
        (entry,) = self.read(f"[[allowed]]\n{GOOD}since = '2026.1'\n")
        self.assertEqual(
            allowed.Allowed('a.b', 'fail', 'why', since='2026.1'), entry
        )

    def test_a_file_without_entries(self):
        self.assertEqual((), self.read('# nothing differs\n'))

    def test_bad_entries(self):
        for table in (
            GOOD.replace("'why'", "''"),
            GOOD.replace("reason = 'why'\n", ''),
            GOOD.replace("'fail'", "'skip'"),
            GOOD.replace("'why'", '1'),
            GOOD + "ends = '2026.1'\n",
            GOOD + 'since = \n',
        ):
            self.assertRaises(
                allowed.BadEntry, self.read, f'[[allowed]]\n{table}'
            )

    def test_releases(self):
        entry = allowed.Allowed(
            'a', 'fail', 'why', since='2025.2', until='2026.1'
        )
        self.assertEqual(
            ['2025.2', '2026.1'],
            [
                release
                for release in ('2025.1', '2025.2', '2026.1', '2026.2')
                if entry.holds_in(release)
            ],
        )

    def test_two_entries_for_a_test(self):
        first = allowed.Allowed('a', 'fail', 'why', until='2025.2')
        second = allowed.Allowed('a', 'fail', 'why', since='2025.2')
        self.assertEqual(
            {'a': second}, allowed.of_release([first, second], '2026.1')
        )
        self.assertRaises(
            allowed.BadEntry, allowed.of_release, [first, second], '2025.2'
        )

    def test_the_file_of_the_project(self):
        entries = allowed.read(main.ALLOWED)
        for release in environment.releases():
            allowed.of_release(entries, release)
