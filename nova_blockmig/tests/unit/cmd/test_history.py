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

import json
import pathlib

import fixtures

from nova_blockmig.core import migration_record
from nova_blockmig.tests.unit.cmd import test_command


class TestHistory(test_command.CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cloud.add('a', 'server2')
        self.cloud.add('b', 'server2', status='SHUTOFF')
        self.cloud.fails['a', 'server-01'] = 'does not fit'
        self.cloud.migrate_live('a', 'server-01')
        self.clock.sleep(20)
        self.cloud.server('a')
        self.cloud.migrate_cold('b', 'server-01')
        self.clock.sleep(20)

    def test_live_migrations_and_why_they_failed(self) -> None:
        self.assertEqual(0, self.run_command('history', '-f', 'json'))
        (row,) = json.loads(self.out)
        self.assertEqual('a', row['instance'])
        self.assertEqual('error', row['result'])
        self.assertEqual('does not fit', row['reason'])
        self.assertEqual('1970-01-12T13:46:40Z', row['begun'])

    def test_figures_of_a_log(self) -> None:
        del self.cloud.fails['a', 'server-01']
        self.cloud.migrate_live('a', 'server-01')
        self.clock.sleep(20)
        self.cloud.server('a')
        record = migration_record.MigrationRecord(
            'a', 'server2', 'server-01', 'completed', 8.0, downtime_ms=42,
            disks=(migration_record.DiskRecord('disk', 'x', 2**30),),
        )  # fmt: skip
        log = pathlib.Path(self.useFixture(fixtures.TempDir()).join('log'))
        log.write_text(f'2026 INFO nova {record.to_line()}\n')
        self.run_command('history', '-f', 'json', '--compute-log', str(log))
        done, failed = json.loads(self.out)
        self.assertEqual(
            ('1 GiB', '128 MiB/s', '42 ms'),
            (done['copied'], done['rate'], done['downtime']),
        )
        self.assertEqual('', failed['copied'])
        self.assertEqual(
            2, self.run_command('history', '--compute-log', '/no/log')
        )

    def test_of_one(self) -> None:
        self.assertEqual(0, self.run_command('history', 'b', '-f', 'json'))
        self.assertEqual([], json.loads(self.out))
        self.assertEqual(2, self.run_command('history', 'nobody'))

    def test_a_time_that_is_none(self) -> None:
        self.assertEqual(2, self.run_command('history', '--since', 'x'))
        self.assertIn('7d', self.err)
