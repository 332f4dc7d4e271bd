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

from pathlib import Path
from typing import Any
from unittest import mock

import fixtures
import testtools

from blocklab.machine import errors
from blocklab.machine import host as hosts
from blocklab.services import openvswitch


class DatabaseTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = Path(self.useFixture(fixtures.TempDir()).path)
        self.database = directory / 'openvswitch.db'
        self.answers: dict[str, Any] = {'needs-conversion': 'yes\n'}
        self.ran: list[str] = []
        self.host = mock.create_autospec(hosts.Host, instance=True)
        self.host.run.side_effect = self.run_there

    def run_there(self, command: list[Any]) -> str:
        self.ran.append(command[1])
        answer = self.answers.get(command[1], '')
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    def create(self) -> list[str]:
        openvswitch._create(self.host, 'switch', self.database)
        return self.ran

    def test_a_new_one(self) -> None:
        self.assertEqual(['create'], self.create())

    def test_one_of_the_same_release(self) -> None:
        self.database.touch()
        self.answers['needs-conversion'] = 'no\n'
        self.assertEqual(['needs-conversion'], self.create())

    def test_one_of_an_older_release(self) -> None:
        self.database.touch()
        self.assertEqual(['needs-conversion', 'convert'], self.create())
        self.assertTrue(self.database.exists())

    def test_one_of_a_newer_release_is_made_anew(self) -> None:
        self.database.touch()
        self.answers['convert'] = errors.CommandFailed('convert', 1, 'no')
        self.assertEqual(
            ['needs-conversion', 'convert', 'create'], self.create()
        )
        self.assertFalse(self.database.exists())
