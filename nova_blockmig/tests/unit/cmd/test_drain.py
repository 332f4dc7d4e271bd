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

"""Who leaves a host and where to, and who stays."""

import io
import json
from unittest import mock

import fixtures

from nova_blockmig.core import drain_record
from nova_blockmig.core import servers
from nova_blockmig.tests.unit.cmd import drain_case

State = drain_record.State


class TestDrain(drain_case.DrainTestCase):
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
        self.assertIn('a: not moved to server-01: does not fit', self.err)
        self.assertEqual(1, self.err.count('does not fit on server-02'))
        (row,) = json.loads(self.out)
        self.assertEqual('failed', row['result'])
        self.assertEqual(
            'does not fit on server-02; all other hosts have been tried',
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
        self.assertIn('cannot be moved to server2', self.err)

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

    def test_a_report_that_cannot_be_written(self) -> None:
        """That is said before anything is done, and not afterwards."""
        self.cloud.add('a', 'server2')
        for page, why in (
            (self.directory, 'Is a directory'),
            (self.directory / 'no' / 'report.html', 'No such file'),
        ):
            self.assertEqual(2, self.drain('--report', str(page)))
            self.assertEqual([], self.cloud.asked)
            self.assertIn(f'{page} cannot be written: {why}', self.err)
        self.assertEqual([], list(self.directory.iterdir()))
