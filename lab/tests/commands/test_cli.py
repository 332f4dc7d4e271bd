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

"""What can be said to labctl, without root and without a lab."""

import argparse
from unittest import mock

import testtools

from blocklab.commands import cli
from blocklab.commands import options
from blocklab.machine import errors
from blocklab.machine import mirrors


class CheckTest(testtools.TestCase):
    def parse(self, *words: str) -> argparse.Namespace:
        return cli.parser().parse_args(words)

    def test_defaults_of_up(self) -> None:
        chosen = options.choices(self.parse('up'))
        self.assertEqual('2026.2', chosen.release)
        self.assertEqual({'blockmig'}, set(chosen.drivers.values()))

    def test_cinder_only_if_asked_for(self) -> None:
        self.assertFalse(options.choices(self.parse('up')).cinder)
        for command in ('up', 'demo'):
            chosen = options.choices(self.parse(command, '--with', 'cinder'))
            self.assertTrue(chosen.cinder)

    def test_a_host_of_another_debian(self) -> None:
        with mock.patch.object(mirrors, 'own', return_value='bookworm'):
            self.assertEqual({}, self.systems())
            self.assertEqual({}, self.systems('bookworm'))
            self.assertEqual(
                {'server-01': 'trixie'}, self.systems('server-01=trixie')
            )
            self.assertEqual(
                {'server2': 'trixie', 'server-01': 'trixie'},
                self.systems('trixie'),
            )
        with mock.patch.object(mirrors, 'own', return_value='trixie'):
            self.assertEqual(
                {'server2': 'bookworm'}, self.systems('server2=bookworm')
            )

    def systems(self, *words: str) -> dict[str, str]:
        asked = [f'--os={word}' for word in words]
        return dict(options.choices(self.parse('up', *asked)).systems)

    def test_debians_own_nova(self) -> None:
        """A host has it whatever this machine is, with its release only."""
        words = ['up', '--os=server2=trixie-nova']
        chosen = options.choices(self.parse(*words, '--release=2025.1'))
        for ours in ('bookworm', 'trixie'):
            with mock.patch.object(mirrors, 'own', return_value=ours):
                self.assertEqual({'server2': 'trixie-nova'}, chosen.systems)
        error = self.assertRaises(errors.BadInput, cli.check, words)
        self.assertIn('2025.1', error.way_out)
        words += ['--release=2025.1', '--with=cinder']
        error = self.assertRaises(errors.BadInput, cli.check, words)
        self.assertIn('cinder', error.way_out)

    def test_a_debian_that_the_lab_does_not_know_is_refused(self) -> None:
        for word in ('sid', 'controller=trixie'):
            self.assertRaises(errors.BadInput, cli.check, ['up', '--os', word])

    def test_a_wrong_release_is_refused_with_those_there_are(self) -> None:
        error = self.assertRaises(
            errors.BadInput, cli.check, ['up', '--release', '2024.1']
        )
        self.assertIn('2025.1', error.way_out)
        self.assertEqual(2, error.exit_code)

    def test_a_wrong_lab_name_is_refused(self) -> None:
        self.assertRaises(
            errors.BadInput, cli.check, ['--name', 'No!', 'status']
        )

    def test_a_command_keeps_its_own_options(self) -> None:
        words = ['server', 'list', '--long', '-f', 'json', '--help']
        for client in ('openstack', 'nova', 'nova-blockmig'):
            self.assertEqual(words, self.parse(client, *words).words)
        inside = self.parse('exec', 'server2', '--', 'ls', '-l', '--all')
        self.assertEqual(['ls', '-l', '--all'], inside.words[-3:])

    def test_every_sub_command_runs_something(self) -> None:
        calls = (
            ['up'], ['status'], ['down'], ['reset'], ['restart', 'glance'],
            ['logs', 'glance'], ['exec', 'server2'], ['openstack'], ['nova'],
            ['demo'], ['tempest'], ['chaos'], ['soak'],
        )  # fmt: skip
        for words in calls:
            self.assertTrue(callable(self.parse(*words).run), words)
