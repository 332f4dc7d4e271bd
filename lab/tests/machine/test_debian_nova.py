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

"""Our Debian package for hosts with Debian's own Nova."""

from pathlib import Path
from unittest import mock

import fixtures
import testtools

from blocklab.machine import debian_nova
from blocklab.machine import errors
from blocklab.machine import roots


class PackageTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.place = Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(
            fixtures.MonkeyPatch('blocklab.machine.roots._ROOTS', self.place)
        )
        self.log = self.place / 'log'

    def test_it_is_built_elsewhere_and_installed_with_apt(self) -> None:
        calls = []

        def run(name: str, what: str, command: list[str], **_: object) -> None:
            calls.append((name, command))
            if 'dpkg-buildpackage' in command:
                (copy,) = (
                    word.removeprefix('--chdir=')
                    for word in command
                    if word.startswith('--chdir=')
                )
                self.assertTrue(Path(copy, 'debian', 'control').exists())
                Path(copy).with_name('ours_1_all.deb').touch()

        self.assertFalse(debian_nova.ours_is_current('trixie-nova'))
        with (
            mock.patch.object(roots, 'run', side_effect=run),
            mock.patch.object(roots, 'is_complete', return_value=True),
        ):
            debian_nova.install_ours('trixie-nova', self.log)
        self.assertEqual(
            ['trixie-build', 'trixie-nova'], [name for name, _ in calls]
        )
        self.assertIn('apt-get', calls[1][1])
        self.assertTrue(str(calls[1][1][-1]).endswith('ours_1_all.deb'))
        self.assertTrue(debian_nova.ours_is_current('trixie-nova'))

    def test_one_that_is_not_built_is_not_remembered(self) -> None:
        failure = errors.CommandFailed('dpkg-buildpackage', 2, '')
        with (
            mock.patch.object(roots, 'run', side_effect=failure),
            mock.patch.object(roots, 'is_complete', return_value=True),
        ):
            self.assertRaises(
                errors.CommandFailed,
                debian_nova.install_ours,
                'trixie-nova',
                self.log,
            )
        self.assertFalse(debian_nova.ours_is_current('trixie-nova'))

    def test_the_packaging_is_part_of_what_it_is(self) -> None:
        checkout = self.place / 'checkout'
        (checkout / 'debian').mkdir(parents=True)
        seen = set()
        with mock.patch.object(debian_nova, 'CHECKOUT', checkout):
            for text in ('one', 'two'):
                (checkout / 'debian' / 'rules').write_text(text)
                seen.add(debian_nova._digest())
        self.assertEqual(2, len(seen))

    def test_settings_of_debian_without_the_file_that_is_ours(self) -> None:
        there = self.place / 'trixie-nova' / 'etc' / 'nova' / 'rootwrap.d'
        there.mkdir(parents=True)
        (there / 'compute.filters').write_text('theirs')
        (there.parent / 'nova-compute.conf').write_text('theirs')
        here = self.place / 'etc-nova'
        here.mkdir()
        (here / 'nova-compute.conf').write_text('ours')
        for _ in range(2):
            debian_nova.copy_settings('trixie-nova', here)
        self.assertEqual('ours', (here / 'nova-compute.conf').read_text())
        copied = here / 'rootwrap.d' / 'compute.filters'
        self.assertEqual('theirs', copied.read_text())
