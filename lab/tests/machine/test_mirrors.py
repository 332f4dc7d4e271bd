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


"""The mirrors of another Debian release, from what this machine's apt has."""

import testtools

from blocklab.machine import errors
from blocklab.machine import mirrors

LISTING = """\
bookworm|http://mirror.example/debian/|main
bookworm|http://mirror.example/debian/|contrib
bookworm-updates|http://mirror.example/debian/|main
bookworm-security|http://mirror.example/debian-security/|main
nodistro|http://other.example/node/|main
"""


class MirrorsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.found = mirrors.parse(LISTING)

    def test_another_release_of_the_same_mirrors(self) -> None:
        there = mirrors.translated(self.found, 'bookworm', 'trixie')
        signed = f'deb [signed-by={mirrors.KEYRING}] http://mirror.example/'
        self.assertEqual(
            [
                f'{signed}debian/ trixie main',
                f'{signed}debian/ trixie contrib',
                f'{signed}debian/ trixie-updates main',
                f'{signed}debian-security/ trixie-security main',
            ],
            mirrors.sources(there).splitlines(),
        )

    def test_its_own_release(self) -> None:
        same = mirrors.translated(self.found, 'bookworm', 'bookworm')
        self.assertEqual(
            'http://mirror.example/debian/', mirrors.of(same, 'bookworm')
        )

    def test_every_line_once(self) -> None:
        self.assertEqual(self.found, mirrors.parse(LISTING + LISTING))

    def test_a_machine_that_is_no_debian_is_refused(self) -> None:
        for ours in ('', 'noble', 'trixie'):
            self.assertRaises(
                errors.BadInput,
                mirrors.translated,
                self.found,
                ours,
                'bookworm',
            )

    def test_only_the_settings_that_reach_a_mirror(self) -> None:
        self.assertEqual(
            'Acquire::http::Proxy "http://proxy.example:3128";\n'
            'Acquire::Check-Valid-Until "false";\n',
            mirrors.settings(
                'Acquire "";\n'
                'Acquire::http "";\n'
                'Acquire::http::Proxy "http://proxy.example:3128";\n'
                'Acquire::Check-Valid-Until "false";\n'
                'Acquire::Languages:: "en";\n'
            ),
        )
