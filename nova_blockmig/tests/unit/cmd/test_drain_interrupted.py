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

"""A drain that is stopped, cut off, or cannot write what it does."""

import os
import pathlib
import signal
from unittest import mock

import fixtures

from nova_blockmig.cmd import mover
from nova_blockmig.cmd import record_file
from nova_blockmig.core import drain_record
from nova_blockmig.core import operator_errors
from nova_blockmig.tests.unit.cmd import drain_case

State = drain_record.State


class TestInterrupted(drain_case.DrainTestCase):
    def test_what_is_under_way_is_finished(self) -> None:
        for name in ('a', 'b', 'c'):
            self.cloud.add(name, 'server2')
        self.clock.after(3, lambda: os.kill(os.getpid(), signal.SIGINT))
        self.assertEqual(1, self.drain('--max-parallel', '1'))
        self.assertEqual(
            {'a': 'moved', 'b': 'planned', 'c': 'planned'}, self.states()
        )
        self.assertIn('run the same command again', self.err)
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
        self.assertIn('is not the record of a drain', self.err)
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


class TestRecordFile(drain_case.DrainTestCase):
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


class TestLimits(drain_case.DrainTestCase):
    def test_a_source_that_never_ends_its_work(self) -> None:
        """Nova's record says running, but the guest has arrived."""
        self.cloud.add('a', 'server2')
        self.useFixture(
            fixtures.MockPatchObject(self.cloud, '_set', lambda *_: None)
        )
        began = self.clock.now
        self.assertEqual(0, self.drain())
        self.assertGreater(self.clock.now - began, mover.RECORD_PATIENCE)
