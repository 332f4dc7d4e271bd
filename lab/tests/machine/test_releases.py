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

"""The releases that the lab runs are those that the package knows."""

from pathlib import Path
from unittest import mock

import fixtures
import testtools

from blocklab.machine import releases
from nova_blockmig import version


class ReleasesTest(testtools.TestCase):
    def test_the_same_as_the_package_knows(self) -> None:
        known = {
            name: (
                number,
                'threading'
                if number >= version.NATIVE_THREADS_SINCE
                else 'eventlet',
            )
            for number, name in version.KNOWN_RELEASES.items()
        }
        self.assertEqual(
            known,
            {
                name: (release.nova, release.concurrency)
                for name, release in releases.RELEASES.items()
            },
        )

    def test_the_newest_unless_another_is_chosen(self) -> None:
        newest = max(version.KNOWN_RELEASES)
        self.assertEqual(version.KNOWN_RELEASES[newest], releases.DEFAULT)


class EnvironmentsTest(testtools.TestCase):
    """Labs from two checkouts, side by side."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(releases._digest.cache_clear)

    def checkout(self, pins: str) -> tuple[Path, Path, Path]:
        """The environments of a checkout with these constraints."""
        root = Path(self.useFixture(fixtures.TempDir()).path)
        (root / 'constraints').mkdir()
        release = releases.named(releases.DEFAULT)
        (root / 'constraints' / f'{release.name}.txt').write_text(pins)
        with mock.patch.object(releases, 'CHECKOUT', root):
            return releases.tools(), release.venv, release.ours

    def test_other_pins_make_other_environments(self) -> None:
        one = self.checkout('nova===34.0.0')
        other = self.checkout('nova===34.0.1')
        for mine, theirs in zip(one, other, strict=True):
            self.assertNotEqual(mine, theirs)

    def test_the_same_pins_share_all_but_our_package(self) -> None:
        tools, venv, ours = self.checkout('nova===34.0.0')
        other_tools, other_venv, other_ours = self.checkout('nova===34.0.0')
        self.assertEqual((tools, venv), (other_tools, other_venv))
        self.assertNotEqual(ours, other_ours)

    def test_other_packages_make_another_environment(self) -> None:
        before = self.checkout('nova===34.0.0')
        with mock.patch.object(releases, 'TOOLS', ('another',)):
            tools, venv, _ = self.checkout('nova===34.0.0')
        self.assertNotEqual(before[0], tools)
        self.assertEqual(before[1], venv)
