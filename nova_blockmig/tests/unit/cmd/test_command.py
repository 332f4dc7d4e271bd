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

import contextlib
import dataclasses
import io
import json
import logging
from typing import Any
from unittest import mock
import warnings

import fixtures

from nova_blockmig.cmd import app
from nova_blockmig.cmd import command
from nova_blockmig.core import operator_errors
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.cmd import fakes


class CommandTestCase(base.TestCase):
    """Runs the program on a fake cloud."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = fakes.FakeClock()
        self.cloud = fakes.FakeCloud(self.clock, 'server2', 'server-01')
        self.useFixture(
            fixtures.MockPatchObject(
                command.Operator, 'cloud', lambda _: self.cloud
            )
        )
        for name in ('monotonic', 'time', 'sleep'):
            self.useFixture(
                fixtures.MockPatch(
                    f'nova_blockmig.cmd.screen.Clock.{name}',
                    getattr(self.clock, name),
                )
            )

    def run_command(self, *words: str) -> int:
        """Its exit code; what it wrote is in out and err."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = app.main(words)
            except SystemExit as ended:
                code = int(ended.code or 0)
        self.out, self.err = out.getvalue(), err.getvalue()
        return code


class TestProgram(CommandTestCase):
    def test_watch(self) -> None:
        self.cloud.add('vm', 'server2')
        self.cloud.migrate_live('vm', 'server-01')
        self.assertEqual(0, self.run_command('watch', 'vm', '-f', 'json'))
        found = json.loads(self.out)
        self.assertEqual('completed', found['result'])
        self.assertEqual('server-01', found['host'])

    def test_watch_of_one_that_stays(self) -> None:
        self.cloud.add('vm', 'server2')
        self.cloud.fails['vm', 'server-01'] = 'does not fit'
        self.cloud.migrate_live('vm', 'server-01')
        self.assertEqual(1, self.run_command('watch', 'vm', '-f', 'json'))
        self.assertEqual('does not fit', json.loads(self.out)['reason'])

    def test_one_sentence_and_no_traceback(self) -> None:
        self.assertEqual(2, self.run_command('watch', 'nobody'))
        self.assertEqual('nova-blockmig: there is no nobody.\n', self.err)

    def test_a_traceback_for_who_asks(self) -> None:
        self.assertEqual(2, self.run_command('--debug', 'watch', 'nobody'))
        self.assertIn('Traceback', self.err)

    def test_a_no_is_not_a_failure_to_ask(self) -> None:
        self.find_server_raises(operator_errors.No('no'))
        self.assertEqual(1, self.run_command('watch', 'vm'))

    def test_what_nobody_expected_is_one_sentence_too(self) -> None:
        self.find_server_raises(KeyError('oops'))
        self.assertEqual(2, self.run_command('watch', 'vm'))
        self.assertEqual(1, self.err.count('\n'))
        self.assertIn("KeyError: 'oops'", self.err)

    def test_interrupted(self) -> None:
        self.find_server_raises(KeyboardInterrupt())
        self.assertEqual(130, self.run_command('watch', 'vm'))
        self.assertEqual('nova-blockmig: Interrupted.\n', self.err)

    def find_server_raises(self, error: BaseException) -> None:
        self.useFixture(
            fixtures.MockPatchObject(
                self.cloud, 'find_server', mock.Mock(side_effect=error)
            )
        )

    def test_ids_where_names_do_not_tell(self) -> None:
        self.cloud.add('one', 'server2')
        self.cloud.add('two', 'server2')
        self.run_command('drain', 'server2', '--dry-run')
        self.assertNotIn('| id ', self.out)
        self.cloud.servers['two'] = dataclasses.replace(
            self.cloud.servers['two'], name='one'
        )
        self.run_command('drain', 'server2', '--dry-run')
        self.assertIn('| id ', self.out)
        self.run_command('drain', 'server2', '--dry-run', '-f', 'json')
        self.assertEqual(
            {'one', 'two'}, {line['id'] for line in json.loads(self.out)}
        )

    def test_an_empty_list(self) -> None:
        self.assertEqual(0, self.run_command('history'))
        self.assertEqual('No live migrations found.\n', self.err)
        self.assertEqual('', self.out)
        self.assertEqual(0, self.run_command('history', '-f', 'json'))
        self.assertEqual([], json.loads(self.out))
        self.run_command('drain', 'server2', '--dry-run')
        self.assertEqual('There are no instances to move.\n', self.err)

    def test_no_command_at_all(self) -> None:
        self.assertEqual(0, self.run_command())
        self.assertIn('drain', self.out)

    def test_numbers_that_are_none(self) -> None:
        for words in (
            ('drain', 'server2', '--max-parallel', '0'),
            ('drain', 'server2', '--max-parallel', 'two'),
            ('check', 'vm', '--bandwidth', '-1'),
            ('check', 'vm', '--bandwidth', 'fast'),
            ('check', 'vm', '--bandwidth', 'nan'),
        ):
            self.assertEqual(2, self.run_command(*words))
            self.assertIn('is not a', self.err)
            self.assertNotIn('_', self.err.splitlines()[-1])

    def test_libraries_say_nothing(self) -> None:
        def ask(_: str) -> None:
            logging.getLogger('oslo.messaging').error('retrying')
            warnings.warn('deprecated', DeprecationWarning, stacklevel=1)
            raise operator_errors.CannotAsk('no')

        self.useFixture(
            fixtures.MockPatchObject(self.cloud, 'find_server', ask)
        )
        self.assertEqual(2, self.run_command('watch', 'vm'))
        self.assertEqual('nova-blockmig: no.\n', self.err)
        self.run_command('--verbose', 'watch', 'vm')
        self.assertIn('retrying', self.err)

    def test_a_wrong_call(self) -> None:
        self.assertEqual(2, self.run_command('watch'))
        self.assertEqual(2, self.run_command('wacth'))


class TestWithoutCredentials(base.TestCase):
    def test_one_sentence(self) -> None:
        for name in ('OS_CLOUD', 'OS_AUTH_URL', 'OS_USERNAME'):
            self.useFixture(fixtures.EnvironmentVariable(name))
        err: Any = io.StringIO()
        with contextlib.redirect_stderr(err):
            self.assertEqual(2, app.main(['watch', 'vm']))
        self.assertIn('OS_CLOUD', err.getvalue())
        self.assertEqual(1, err.getvalue().count('\n'))
