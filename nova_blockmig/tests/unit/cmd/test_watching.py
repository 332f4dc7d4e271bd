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

import dataclasses
import io
from unittest import mock

from nova_blockmig.cmd import screen
from nova_blockmig.cmd import watching
from nova_blockmig.core import operator_errors
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.cmd import fakes


class TestWatching(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = fakes.FakeClock()
        self.cloud = fakes.FakeCloud(self.clock, 'server2', 'server-01')
        self.server = self.cloud.add('vm', 'server2')
        self.out = io.StringIO()

    def follow(self, patience: float = 0) -> watching.Outcome:
        shown = screen.Screen(self.out)
        watcher = watching.Watcher(self.cloud, shown, self.clock)
        return watcher.follow(self.server, patience)

    def replace(self, method: str, by: object) -> None:
        setattr(self.cloud, method, by)

    def test_to_the_end(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')
        outcome = self.follow()
        self.assertTrue(outcome.moved)
        self.assertEqual('server-01', self.cloud.servers['vm'].host)
        self.assertIn('copying disks', self.out.getvalue())

    def test_the_downtime(self) -> None:
        self.cloud.stood_still['vm'] = 140
        self.cloud.migrate_live('vm', 'server-01')
        self.assertEqual(140, self.follow().downtime_ms)
        self.assertNotIn('not known: ', self.out.getvalue())

    def test_a_downtime_that_nobody_knows(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')
        outcome = self.follow()
        self.assertTrue(outcome.moved)
        self.assertIsNone(outcome.downtime_ms)
        said = self.out.getvalue()
        self.assertEqual(1, said.count('downtime of the guest is not known'))
        self.assertIn('server-01 has not told Nova', said)

    def test_a_downtime_that_cannot_be_asked_for(self) -> None:
        self.replace(
            'downtime_ms',
            mock.Mock(side_effect=operator_errors.CannotAsk('HTTP 503')),
        )
        self.cloud.migrate_live('vm', 'server-01')
        self.assertTrue(self.follow().moved)
        self.assertIn('not known: HTTP 503.', self.out.getvalue())

    def test_figures_that_nova_does_not_give(self) -> None:
        strict = mock.Mock(side_effect=operator_errors.CannotAsk('HTTP 400'))
        self.replace('progress', strict)
        self.cloud.migrate_live('vm', 'server-01')
        self.assertTrue(self.follow().moved)

    def test_an_api_that_is_away_for_a_while(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')
        away = mock.Mock(side_effect=operator_errors.CannotAsk('HTTP 503'))
        there = self.cloud.migrations
        self.clock.after(2, lambda: self.replace('migrations', away))
        self.clock.after(60, lambda: self.replace('migrations', there))
        self.replace('progress', away)
        self.assertTrue(self.follow().moved)
        self.assertLess(10, away.call_count)

    def test_an_api_that_does_not_come_back(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')
        away = mock.Mock(side_effect=operator_errors.CannotAsk('HTTP 503'))
        self.clock.after(2, lambda: self.replace('migrations', away))
        self.replace('progress', away)
        self.assertRaises(operator_errors.CannotAsk, self.follow)

    def test_bars_on_a_terminal(self) -> None:
        self.out = fakes.Terminal()
        self.cloud.stood_still['vm'] = 140
        self.cloud.migrate_live('vm', 'server-01')
        self.follow()
        self.assertIn('  disks  [', self.out.getvalue())
        self.assertTrue(self.out.getvalue().endswith('\x1b[J'))

    def test_before_there_is_a_destination(self) -> None:
        self.out = fakes.Terminal()
        self.cloud.migrate_live('vm', 'server-01')
        begun = self.cloud.records[0]
        self.cloud.records[0] = dataclasses.replace(begun, destination='')
        self.clock.after(3, lambda: self.cloud.records.__setitem__(0, begun))
        self.follow()
        self.assertIn('server2 to another host: ', self.out.getvalue())
        self.assertNotIn('to :', self.out.getvalue())

    def test_a_failure_and_its_reason(self) -> None:
        self.cloud.fails['vm', 'server-01'] = 'does not fit'
        self.cloud.migrate_live('vm', 'server-01')
        outcome = self.follow()
        self.assertFalse(outcome.moved)
        self.assertEqual('does not fit', outcome.reason)
        self.assertNotIn('downtime vm', self.cloud.asked)
        self.assertEqual('server2', self.cloud.servers['vm'].host)

    def test_completed_but_in_error(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')
        self.clock.sleep(20)
        self.cloud.server('vm')
        self.cloud.change('vm', status='ERROR')
        self.assertFalse(self.follow().moved)

    def test_deleted_in_between(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')
        self.clock.after(3, lambda: self.cloud.servers.pop('vm'))
        outcome = self.follow()
        self.assertFalse(outcome.moved)
        self.assertEqual('the instance has been deleted', outcome.reason)

    def test_deleted_together_with_its_records(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')

        def delete() -> None:
            self.cloud.servers.clear()
            self.cloud.records.clear()

        self.clock.after(3, delete)
        self.assertFalse(self.follow().moved)

    def test_waits_for_the_beginning(self) -> None:
        self.clock.after(5, lambda: self.cloud.migrate_live('vm', 'server-01'))
        self.assertTrue(self.follow(patience=30).moved)

    def test_waits_for_a_new_one(self) -> None:
        self.cloud.fails['vm', 'server-01'] = 'no'
        self.cloud.migrate_live('vm', 'server-01')
        self.clock.sleep(20)
        del self.cloud.fails['vm', 'server-01']
        self.clock.after(5, lambda: self.cloud.migrate_live('vm', 'server-01'))
        self.assertTrue(self.follow(patience=30).moved)

    def test_tells_of_the_latest_if_none_runs(self) -> None:
        self.cloud.migrate_live('vm', 'server-01')
        self.clock.sleep(20)
        self.assertTrue(self.follow().moved)
        self.assertIn('the most recent one', self.out.getvalue())

    def test_none_that_begins_in_time(self) -> None:
        error = self.assertRaises(operator_errors.No, self.follow, 30)
        self.assertIn('no migration started within 30 s', str(error))

    def test_never_migrated(self) -> None:
        error = self.assertRaises(operator_errors.No, self.follow)
        self.assertEqual(1, error.exit_code)
