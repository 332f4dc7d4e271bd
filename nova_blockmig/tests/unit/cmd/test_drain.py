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

import io
import json
import os
import pathlib
import signal
from unittest import mock

import fixtures

from nova_blockmig.cmd import mover
from nova_blockmig.cmd import record_file
from nova_blockmig.core import drain_record
from nova_blockmig.core import operator_errors
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


class TestDrain(DrainTestCase):
    def test_everybody_leaves(self) -> None:
        for number in range(5):
            self.cloud.add(f'vm{number}', 'server2')
        self.cloud.add('other', 'server-01')
        self.assertEqual(0, self.drain('--max-parallel', '3'))
        self.assertNotIn('server2', self.hosts().values())
        self.assertEqual(3, self.cloud.most_at_once)
        self.assertEqual(
            'disable server2: nova-blockmig drain, record record.json',
            self.cloud.asked[0],
        )
        self.assertEqual(
            {'moved'}, {row['result'] for row in json.loads(self.out)}
        )
        self.assertIn('restore server2', self.err)

    def test_one_that_fails_does_not_stop_the_rest(self) -> None:
        """Nor is it touched again once it is in ERROR."""
        for name in ('a', 'b', 'c'):
            self.cloud.add(name, 'server2')
        self.cloud.fails['a', 'server-01'] = 'QEMU is gone'
        self.cloud.breaks.add('a')
        self.assertEqual(1, self.drain('--max-parallel', '1'))
        self.assertEqual(
            {'a': 'failed', 'b': 'moved', 'c': 'moved'}, self.states()
        )
        asked = [line for line in self.cloud.asked if ' a ' in line]
        self.assertEqual(['live-migration a to server-01'], asked)
        self.assertIn('Still on server2: a.', self.err)
        self.assertIn('QEMU is gone', self.out)

    def test_again_elsewhere(self) -> None:
        self.cloud.add('a', 'server2')
        self.cloud.fails['a', 'server-01'] = 'does not fit on server-01'
        self.assertEqual(0, self.drain())
        self.assertEqual({'a': 'server-02'}, self.hosts())

    def test_a_request_that_nova_refuses_at_once(self) -> None:
        self.cloud.add('a', 'server2')
        self.cloud.refuses['a', 'server-01'] = 'No valid host'
        self.assertEqual(0, self.drain())
        self.assertEqual({'a': 'server-02'}, self.hosts())

    def test_not_elsewhere_if_the_source_is_the_reason(self) -> None:
        self.cloud.add('a', 'server2')
        why = 'these disks cannot be block migrated from server2'
        self.cloud.fails['a', 'server-01'] = why
        self.assertEqual(1, self.drain())
        self.assertEqual(2, len(self.cloud.asked))

    def test_no_host_is_left_to_try(self) -> None:
        self.cloud.add('a', 'server2')
        for host in ('server-01', 'server-02'):
            self.cloud.fails['a', host] = f'does not fit on {host}'
        self.assertEqual(1, self.drain())
        # Each reason is told once.
        self.assertEqual(1, self.err.count('does not fit on server-01'))
        self.assertIn('a: not to server-01: does not fit', self.err)
        self.assertEqual(1, self.err.count('does not fit on server-02'))
        (row,) = json.loads(self.out)
        self.assertEqual('failed', row['result'])
        self.assertEqual(
            'does not fit on server-02; every other host was tried',
            row['reason'],
        )

    def test_every_state_is_told_of(self) -> None:
        self.cloud.add('run', 'server2')
        self.cloud.add('paused', 'server2', status='PAUSED')
        self.cloud.add('off', 'server2', status='SHUTOFF')
        self.cloud.add('error', 'server2', status='ERROR')
        self.assertEqual(1, self.drain())
        self.assertEqual(
            {'run': 'moved', 'paused': 'moved', 'off': 'stays',
             'error': 'stays'},
            self.states(),
        )  # fmt: skip
        self.assertIn('--cold', self.out)

    def test_cold(self) -> None:
        self.cloud.add('off', 'server2', status='SHUTOFF')
        self.assertEqual(0, self.drain('--cold'))
        self.assertIn('confirm off', self.cloud.asked)
        self.assertEqual('SHUTOFF', self.cloud.servers['off'].status)

    def test_who_comes_meanwhile_leaves_as_well(self) -> None:
        self.cloud.add('a', 'server2')
        self.cloud.add('b', 'server2')
        self.clock.after(7, lambda: self.cloud.add('late', 'server2'))
        self.assertEqual(0, self.drain('--max-parallel', '1'))
        self.assertNotIn('server2', self.hosts().values())

    def test_who_is_deleted_meanwhile_is_gone(self) -> None:
        self.cloud.add('a', 'server2')
        self.cloud.add('b', 'server2')
        self.clock.after(3, lambda: self.cloud.servers.pop('a'))
        self.clock.after(3, lambda: self.cloud.servers.pop('b'))
        self.assertEqual(0, self.drain('--max-parallel', '1'))
        self.assertEqual({'a': 'gone', 'b': 'gone'}, self.states())

    def test_who_is_busy_is_waited_for(self) -> None:
        self.cloud.add('a', 'server2', task='spawning')
        self.clock.after(30, lambda: self.cloud.change('a', task=None))
        self.assertEqual(0, self.drain())

    def test_who_is_busy_for_ever_is_left(self) -> None:
        self.cloud.add('a', 'server2', task='deleting')
        self.assertEqual(1, self.drain())
        self.assertEqual({'a': 'stays'}, self.states())

    def test_only_where_it_is_allowed(self) -> None:
        self.cloud.add('a', 'server2')
        self.assertEqual(0, self.drain('--to', 'server-02'))
        self.assertEqual({'a': 'server-02'}, self.hosts())
        self.assertEqual(2, self.drain('--to', 'server2'))
        self.assertIn('cannot take instances', self.err)

    def test_a_dry_run_does_nothing(self) -> None:
        self.cloud.add('a', 'server2')
        self.assertEqual(0, self.run_on('drain', '--dry-run'))
        self.cloud.add('b', 'server2', status='SUSPENDED')
        self.assertEqual(1, self.run_on('drain', '--dry-run'))
        first, second = json.loads(self.out)
        self.assertEqual('server-01', first['destination'])
        self.assertIn('resume', second['reason'])
        self.assertEqual([], self.cloud.asked)
        self.assertFalse(self.path.exists())

    def test_an_empty_host(self) -> None:
        self.assertEqual(0, self.drain())

    def test_a_host_that_is_down(self) -> None:
        node = self.cloud.nodes['server2']
        self.cloud.nodes['server2'] = servers.ComputeService(
            node.id, node.host, up=False
        )
        self.cloud.add('a', 'server2')
        self.assertEqual(1, self.drain())
        self.assertIn('without their data', self.err)
        self.assertEqual([], self.cloud.asked)

    def test_an_unknown_host(self) -> None:
        self.assertEqual(2, self.run_command('drain', 'nowhere', '--yes'))
        self.assertIn('server-01', self.err)

    def test_nobody_is_there_to_confirm(self) -> None:
        self.cloud.add('a', 'server2')
        self.useFixture(fixtures.MonkeyPatch('sys.stdin', io.StringIO()))
        self.assertEqual(2, self.run_on('drain'))
        self.assertEqual([], self.cloud.asked)

    def test_the_operator_says_no(self) -> None:
        self.cloud.add('a', 'server2')
        stdin = mock.Mock(**{'readline.return_value': '\n'})
        self.useFixture(fixtures.MonkeyPatch('sys.stdin', stdin))
        self.assertEqual(1, self.run_on('drain'))
        self.assertEqual([], self.cloud.asked)

    def test_the_report(self) -> None:
        self.cloud.add('a', 'server2')
        page = self.directory / 'report.html'
        self.assertEqual(0, self.drain('--report', str(page)))
        self.assertIn('<svg', page.read_text())


class TestInterrupted(DrainTestCase):
    def test_what_is_under_way_is_finished(self) -> None:
        for name in ('a', 'b', 'c'):
            self.cloud.add(name, 'server2')
        self.clock.after(3, lambda: os.kill(os.getpid(), signal.SIGINT))
        self.assertEqual(1, self.drain('--max-parallel', '1'))
        self.assertEqual(
            {'a': 'moved', 'b': 'planned', 'c': 'planned'}, self.states()
        )
        self.assertIn('the same command goes on', self.err)
        self.assertEqual(0, self.drain())
        self.assertEqual(
            1, self.cloud.asked.count('live-migration a to server-01')
        )

    def test_twice_leaves_at_once(self) -> None:
        self.cloud.add('a', 'server2')
        for seconds in (3, 5):
            self.clock.after(
                seconds, lambda: os.kill(os.getpid(), signal.SIGINT)
            )
        self.assertEqual(130, self.drain())
        self.assertEqual({'a': 'moving'}, self.states())
        self.assertEqual(0, self.drain())
        self.assertEqual(1, len(self.cloud.records))

    def test_killed_right_after_the_request(self) -> None:
        """The next run follows the migration that is under way."""
        self.cloud.add('a', 'server2')
        self.kill_in('migrate_live', before=False)
        self.assertEqual(0, self.drain())
        self.assertEqual(1, len(self.cloud.records))

    def test_killed_right_before_the_request(self) -> None:
        """The next run finds that nothing was begun, and begins it."""
        self.cloud.add('a', 'server2')
        self.kill_in('migrate_live', before=True)
        self.assertEqual({'a': 'moving'}, self.states())
        self.assertEqual(0, self.drain())
        self.assertEqual({'a': 'server-01'}, self.hosts())

    def test_killed_before_a_cold_migration_was_confirmed(self) -> None:
        self.cloud.add('off', 'server2', status='SHUTOFF')
        self.kill_in('confirm', before=True)
        self.assertEqual('VERIFY_RESIZE', self.cloud.servers['off'].status)
        self.assertEqual(0, self.drain('--cold'))
        self.assertEqual('SHUTOFF', self.cloud.servers['off'].status)

    def kill_in(self, method: str, *, before: bool) -> None:
        """The first run ends in this call, as if it had been killed."""
        real = getattr(self.cloud, method)

        def call(*words: str) -> None:
            if not before:
                real(*words)
            raise SystemExit(9)

        with fixtures.MockPatchObject(self.cloud, method, call):
            self.assertEqual(9, self.drain('--cold'))

    def test_the_api_is_away_for_a_while(self) -> None:
        self.cloud.add('a', 'server2')
        self.away(100)
        self.assertEqual(0, self.drain())

    def test_the_api_is_away_for_good(self) -> None:
        self.cloud.add('a', 'server2')
        self.away(10_000)
        self.assertEqual(2, self.drain())
        self.assertEqual(1, self.err.count('is away'))
        self.assertEqual({'a': 'moving'}, self.states())

    def away(self, seconds: float) -> None:
        """From three seconds on nothing is answered for so long."""
        start, real = self.clock.now, self.cloud.server

        def server(server_id: str) -> object:
            if start + 3 < self.clock.now < start + 3 + seconds:
                raise operator_errors.CannotAsk('the API is away')
            return real(server_id)

        self.useFixture(fixtures.MockPatchObject(self.cloud, 'server', server))

    def test_figures_that_cannot_be_had_do_not_matter(self) -> None:
        self.cloud.add('a', 'server2')
        error = operator_errors.CannotAsk('no figures')
        self.useFixture(
            fixtures.MockPatchObject(
                self.cloud, 'progress', mock.Mock(side_effect=error)
            )
        )
        self.assertEqual(0, self.drain())

    def test_two_at_once(self) -> None:
        with record_file.alone(self.path):
            self.assertEqual(2, self.drain())
        self.assertIn('another nova-blockmig', self.err)

    def test_a_file_that_is_no_record(self) -> None:
        self.path.write_text('{}')
        self.assertEqual(2, self.drain())
        self.assertEqual([], self.cloud.asked)

    def test_the_record_of_another_host(self) -> None:
        self.cloud.add('a', 'server-01')
        self.run_command(
            'drain', 'server-01', '--yes', '--record', str(self.path)
        )
        self.assertEqual(2, self.drain())
        self.assertIn('record of server-01', self.err)

    def test_a_directory_that_does_not_exist(self) -> None:
        self.path = self.directory / 'no' / 'record.json'
        self.assertEqual(2, self.drain())
        self.assertEqual([], self.cloud.asked)


class TestRestore(DrainTestCase):
    def test_everybody_is_back(self) -> None:
        for name in ('a', 'b'):
            self.cloud.add(name, 'server2')
        self.cloud.add('other', 'server-01')
        self.assertEqual(0, self.drain())
        self.assertEqual(0, self.restore())
        self.assertEqual(
            {'a': 'server2', 'b': 'server2', 'other': 'server-01'},
            self.hosts(),
        )
        self.assertTrue(self.cloud.nodes['server2'].enabled)

    def test_the_next_maintenance_begins_anew(self) -> None:
        self.cloud.add('a', 'server2')
        for _ in range(2):
            self.assertEqual(0, self.drain())
            self.assertEqual(0, self.restore())
        self.assertTrue((self.directory / 'record.json.old').exists())
        self.assertEqual(4, len(self.cloud.records))

    def test_who_was_deleted_is_left_out(self) -> None:
        self.cloud.add('a', 'server2')
        self.drain()
        del self.cloud.servers['a']
        self.assertEqual(0, self.restore())

    def test_who_cannot_come_back(self) -> None:
        self.cloud.add('a', 'server2')
        self.cloud.add('b', 'server2')
        self.drain()
        self.cloud.fails['a', 'server2'] = 'does not fit on server2'
        self.assertEqual(1, self.restore())
        self.assertEqual('server-01', self.hosts()['a'])
        self.assertIn('does not fit on server2', self.out)
        del self.cloud.fails['a', 'server2']
        self.assertEqual(0, self.restore())
        self.assertEqual('server2', self.hosts()['a'])

    def test_interrupted(self) -> None:
        for name in ('a', 'b'):
            self.cloud.add(name, 'server2')
        self.drain()
        self.clock.after(3, lambda: os.kill(os.getpid(), signal.SIGINT))
        self.assertEqual(1, self.restore('--max-parallel', '1'))
        self.assertEqual(0, self.restore())
        self.assertEqual(4, len(self.cloud.records))

    def test_a_service_that_somebody_else_disabled(self) -> None:
        self.cloud.add('a', 'server2')
        self.drain()
        self.cloud.disable(self.cloud.nodes['server2'], 'fan is broken')
        self.assertEqual(1, self.restore())
        self.assertIn('fan is broken', self.err)

    def test_a_service_that_was_disabled_before_the_drain(self) -> None:
        self.cloud.add('a', 'server2')
        self.cloud.disable(self.cloud.nodes['server2'], 'maintenance')
        self.assertEqual(0, self.drain())
        self.assertEqual('maintenance', self.cloud.nodes['server2'].reason)

    def test_without_a_record(self) -> None:
        self.assertEqual(2, self.restore())
        self.assertIn('--record', self.err)

    def test_a_dry_run(self) -> None:
        self.cloud.add('a', 'server2')
        self.drain()
        asked = list(self.cloud.asked)
        self.assertEqual(0, self.run_on('restore', '--dry-run'))
        self.assertEqual('server2', json.loads(self.out)[0]['destination'])
        self.assertEqual(asked, self.cloud.asked)


class TestRecordFile(DrainTestCase):
    def test_it_is_whole_at_every_step(self) -> None:
        """Each state of the file on the way is a record."""
        self.cloud.add('a', 'server2')
        seen = []
        real = os.replace

        def replace(source: str, target: str) -> None:
            text = pathlib.Path(source).read_text()
            seen.append(drain_record.from_json(text).drain.entries['a'].state)
            real(source, target)

        self.useFixture(fixtures.MockPatchObject(os, 'replace', replace))
        self.assertEqual(0, self.drain())
        self.assertEqual(
            [State.PLANNED, State.MOVING, State.MOVED],
            list(dict.fromkeys(seen)),
        )
        self.assertEqual(['record.json'], os.listdir(self.directory))

    def test_a_disk_that_is_full(self) -> None:
        error = OSError(28, 'No space left on device')
        self.useFixture(
            fixtures.MockPatchObject(os, 'fsync', mock.Mock(side_effect=error))
        )
        raised = self.assertRaises(
            operator_errors.CannotAsk, record_file.save, self.path, 'x'
        )
        self.assertIn('No space left', str(raised))
        self.assertEqual([], os.listdir(self.directory))


class TestLimits(DrainTestCase):
    def test_a_source_that_never_ends_its_work(self) -> None:
        """Nova's record says running, but the guest has arrived."""
        self.cloud.add('a', 'server2')
        self.useFixture(
            fixtures.MockPatchObject(self.cloud, '_set', lambda *_: None)
        )
        began = self.clock.now
        self.assertEqual(0, self.drain())
        self.assertGreater(self.clock.now - began, mover.RECORD_PATIENCE)
