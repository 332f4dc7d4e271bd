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

"""What can be said of other releases' roots without making one."""

from pathlib import Path
from unittest import mock

import fixtures
import testtools

from blocklab.machine import errors
from blocklab.machine import releases
from blocklab.machine import roots


class RootTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.place = Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(
            fixtures.MonkeyPatch('blocklab.machine.roots._ROOTS', self.place)
        )

    def test_a_root_is_complete_with_the_packages_of_today(self) -> None:
        self.assertFalse(roots.is_complete('trixie'))
        (self.place / 'trixie').mkdir()
        self.assertFalse(roots.is_complete('trixie'))
        with mock.patch.object(roots, 'run') as run:
            roots.install('trixie', self.place / 'log')
        self.assertEqual(2, run.call_count)
        self.assertTrue(roots.is_complete('trixie'))
        with mock.patch.dict(roots._PACKAGES, trixie=('another',)):
            self.assertFalse(roots.is_complete('trixie'))

    def test_packages_that_are_not_installed_are_not_remembered(self) -> None:
        (self.place / 'trixie').mkdir()
        failure = errors.CommandFailed('apt-get', 100, '')
        with mock.patch.object(roots, 'run', side_effect=failure):
            self.assertRaises(
                errors.CommandFailed,
                roots.install,
                'trixie',
                self.place / 'log',
            )
        self.assertFalse(roots.is_complete('trixie'))

    def test_what_a_name_says(self) -> None:
        self.assertEqual('trixie', roots.release('trixie-nova'))
        self.assertEqual('trixie', roots.release('trixie'))
        self.assertEqual('trixie-build', roots.builder('trixie-nova'))
        self.assertIn('trixie-build', roots._PACKAGES)
        with_nova = [name for name in roots.SYSTEMS if roots.has_nova(name)]
        self.assertEqual(['trixie-nova'], with_nova)
        self.assertFalse(roots.has_nova(None))

    def test_an_environment_of_its_own(self) -> None:
        release = releases.named('2026.2')
        there = release.on('trixie')
        self.assertTrue(there.venv.name.startswith('2026.2-trixie-'))
        self.assertNotEqual(release.venv.name, there.venv.name)
        self.assertEqual(release.constraints, there.constraints)
        self.assertEqual(release, there.on(None))
