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
from typing import Any

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

    def test_the_downtime_of_one(self) -> None:
        self.cloud.fails.clear()
        self.cloud.stood_still['a'] = 140
        self.cloud.migrate_live('a', 'server-01')
        self.clock.sleep(20)
        self.cloud.server('a')
        self.run_command('history', 'a', '-f', 'json')
        done, failed = json.loads(self.out)
        self.assertEqual('140 ms', done['downtime'])
        self.assertEqual('', failed['downtime'])
        self.assertEqual(1, self.cloud.asked.count('downtime a'))

    def test_nova_is_not_asked_for_the_downtimes_of_all(self) -> None:
        self.cloud.fails.clear()
        self.cloud.migrate_live('a', 'server-01')
        self.clock.sleep(20)
        self.run_command('history')
        self.assertNotIn('downtime a', self.cloud.asked)
        self.assertIn('bytes, rate and downtime: give', self.err)
        self.run_command('history', 'a')
        self.assertIn('the bytes and rate: give', self.err)
        self.run_command('history', '-f', 'json')
        self.assertEqual('', self.err)

    def test_the_logs_of_both_hosts(self) -> None:
        logs = [self.write(result='completed', migration='forgotten')]
        arrived = migration_record.ArrivalRecord(
            'gone', 'server2', 'server-01', downtime_ms=42,
            migration='forgotten',
        )  # fmt: skip
        log = pathlib.Path(self.useFixture(fixtures.TempDir()).join('log'))
        log.write_text(f'2026 INFO nova {arrived.to_line()}\n')
        for both in ([logs[0], str(log)], [str(log), logs[0]]):
            self.run_command(
                'history', '-f', 'json',
                *(f'--compute-log={path}' for path in both),
            )  # fmt: skip
            first = json.loads(self.out)[0]
            self.assertEqual(
                ('gone', '42 ms'), (first['instance'], first['downtime'])
            )

    def write(self, **fields: Any) -> str:
        """A log with one line; its path."""
        record = migration_record.MigrationRecord(
            **{
                'instance': 'gone', 'source': 'server2',
                'destination': 'server-01', 'result': 'failed',
                'seconds': 8.0, 'reason': 'the link broke',
                'ended': self.clock.time(), **fields,
            }
        )  # fmt: skip
        log = pathlib.Path(self.useFixture(fixtures.TempDir()).join('log'))
        log.write_text(f'2026 INFO nova {record.to_line()}\n')
        return str(log)

    def listed(self, log: str, *words: str) -> list[str]:
        self.run_command('history', '-f', 'json', '--compute-log', log, *words)
        return [row['instance'] for row in json.loads(self.out)]

    def test_what_only_a_log_remembers(self) -> None:
        log = self.write()
        self.assertEqual(['gone', 'a'], self.listed(log))
        first = json.loads(self.out)[0]
        self.assertEqual(
            ('failed', 8, 'the link broke'),
            (first['result'], first['seconds'], first['reason']),
        )
        self.assertEqual(['gone', 'a'], self.listed(log, '--host', 'server2'))
        self.assertNotIn('gone', self.listed(log, '--host', 'server-03'))
        self.assertNotIn('gone', self.listed(log, 'a'))
        self.assertIn('gone', self.listed(log, '--since', '1h'))
        log = self.write(ended=self.clock.time() - 7200)
        self.assertNotIn('gone', self.listed(log, '--since', '1h'))

    def test_a_reason_that_nova_has_forgotten(self) -> None:
        self.cloud.fails.clear()
        self.run_command(
            'history', '-f', 'json', '--compute-log',
            self.write(instance='a', migration='uuid-1'),
        )  # fmt: skip
        (row,) = json.loads(self.out)
        self.assertEqual('the link broke', row['reason'])

    def test_of_one(self) -> None:
        self.assertEqual(0, self.run_command('history', 'b', '-f', 'json'))
        self.assertEqual([], json.loads(self.out))
        self.assertEqual(2, self.run_command('history', 'nobody'))

    def test_a_host_that_is_not_there_any_more(self) -> None:
        self.assertEqual(0, self.run_command('history', '--host', 'old'))
        self.assertIn("no compute host 'old' now", self.err)
        self.run_command('history', '--host', 'server2')
        self.assertNotIn('no compute host', self.err)

    def test_a_time_that_is_none(self) -> None:
        self.assertEqual(2, self.run_command('history', '--since', 'x'))
        self.assertIn('7d', self.err)
