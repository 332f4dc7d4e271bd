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

"""A cloud whose host server2 is emptied and filled again."""

import pathlib

import fixtures

from nova_blockmig.core import drain_record
from nova_blockmig.core import servers
from nova_blockmig.tests.unit.cmd import test_command

State = drain_record.State


class DrainTestCase(test_command.CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.directory / 'record.json'
        self.cloud.nodes['server-02'] = servers.ComputeService(
            'id-server-02', 'server-02'
        )
        # The plan prefers the other one.
        self.cloud.room['server-02'] = servers.Room(
            'server-02', 1024 * 32, 64, 1000
        )

    def run_on(self, command: str, *words: str) -> int:
        return self.run_command(
            command, 'server2', '--record', str(self.path), '-f', 'json',
            *words,
        )  # fmt: skip

    def drain(self, *words: str) -> int:
        return self.run_on('drain', '--yes', *words)

    def restore(self, *words: str) -> int:
        return self.run_on('restore', '--yes', *words)

    def record(self) -> drain_record.Record:
        return drain_record.from_json(self.path.read_text())

    def states(self) -> dict[str, str]:
        return {
            name: str(entry.state)
            for name, entry in self.record().drain.entries.items()
        }

    def hosts(self) -> dict[str, str]:
        return {s.name: s.host for s in self.cloud.servers.values()}
