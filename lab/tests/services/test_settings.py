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

"""What is chosen, and what a lab remembers."""

import json
from pathlib import Path
import stat
from typing import Any

import fixtures
import testtools

from blocklab.machine import errors
from blocklab.services import settings


class ChoiceTest(testtools.TestCase):
    def per_host(self, *words: str) -> dict[str, str]:
        return settings.per_host('--driver', words, settings.DRIVERS)

    def test_a_word_without_a_host_is_for_both(self) -> None:
        self.assertEqual(
            {'server2': 'in-tree', 'server-01': 'in-tree'},
            self.per_host('in-tree'),
        )

    def test_the_later_word_counts(self) -> None:
        self.assertEqual(
            {'server2': 'blockmig', 'server-01': 'in-tree'},
            self.per_host('in-tree', 'server2=blockmig'),
        )

    def test_unknown_values_and_hosts_are_refused(self) -> None:
        for word in ('fast', 'server2=fast', 'controller=in-tree', '=in-tree'):
            self.assertRaises(errors.BadInput, self.per_host, word)

    def test_extra_settings_for_one_host(self) -> None:
        self.assertEqual(
            {'server2': {'libvirt': {'images_type': 'raw'}}},
            settings.extra_settings(['server2:libvirt.images_type=raw']),
        )

    def test_extra_settings_for_all_hosts(self) -> None:
        chosen = settings.extra_settings(['DEFAULT.a=1'])
        self.assertEqual({'controller', 'server2', 'server-01'}, set(chosen))

    def test_a_value_may_hold_any_sign(self) -> None:
        chosen = settings.extra_settings(
            ['server2:libvirt.live_migration_uri=qemu+tcp://%s:1/s.x=y']
        )
        self.assertEqual(
            'qemu+tcp://%s:1/s.x=y',
            chosen['server2']['libvirt']['live_migration_uri'],
        )

    def test_malformed_extra_settings_are_refused(self) -> None:
        for word in ('a', 'a.b', 'a=b', 'server1:a.b=c', '.b=c', 'a.=c'):
            self.assertRaises(errors.BadInput, settings.extra_settings, [word])


class SettingsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.path = Path(directory) / 'lab.json'

    def test_only_the_owner_can_read_the_passwords(self) -> None:
        settings.create(self.path, settings.Choices())
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))

    def test_a_lab_from_before_there_were_volumes(self) -> None:
        settings.create(self.path, settings.Choices())
        content = json.loads(self.path.read_text())
        del content['choices']['cinder']
        self.path.write_text(json.dumps(content))
        loaded: Any = settings.load(self.path)
        self.assertEqual(settings.Choices(), loaded.choices)

    def test_passwords_are_not_shown(self) -> None:
        made = settings.create(self.path, settings.Choices())
        for password in made.passwords.values():
            self.assertNotIn(password, repr(made))

    def test_two_labs_have_different_passwords(self) -> None:
        one = settings.create(self.path, settings.Choices())
        two = settings.create(self.path, settings.Choices())
        self.assertNotEqual(one.passwords, two.passwords)

    def test_what_is_saved_is_loaded(self) -> None:
        chosen = settings.Choices(
            drivers={'server2': 'in-tree', 'server-01': 'blockmig'},
            extra={'server2': {'a': {'b': 'c'}}},
        )
        made = settings.create(self.path, chosen)
        made.mark_done('catalog')
        loaded = settings.load(self.path)
        self.assertEqual(made, loaded)
        self.assertEqual(['catalog'], made.done)

    def test_no_file_is_no_lab(self) -> None:
        self.assertIsNone(settings.load(self.path))

    def test_a_damaged_file_is_refused_with_a_way_out(self) -> None:
        for content in ('{', '[]', json.dumps({'choices': {}})):
            self.path.write_text(content)
            error = self.assertRaises(
                errors.BadInput, settings.load, self.path
            )
            self.assertIn('--wipe', error.way_out)
