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

"""Tests of asking beforehand, with a bus that answers from memory."""

import builtins
import dataclasses
import json
from typing import Any

import fixtures

from nova_blockmig.cmd import check
from nova_blockmig.core import dry_run
from nova_blockmig.core import operator_errors
from nova_blockmig.core import verdict
from nova_blockmig.tests.unit.cmd import test_command
from nova_blockmig.tests.unit.core import test_dry_run

SERVER = 'bd261aa7-728b-4edb-bd18-2ae2370b6549'
GIB = 2**30


class FakeBus:
    """The compute hosts of a cell."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.source_said = test_dry_run.SOURCE
        self.asked: list[tuple[str, str, bool | None]] = []

    def host_of(self, server_id: str) -> str:
        return 'server2'

    def hosts(self) -> list[str]:
        return ['server2', *self.answers]

    def source(self, host: str, server_id: str) -> dry_run.Source:
        assert host == 'server2'
        return self.source_said

    def destination(
        self, host: str, server_id: str, disk_over_commit: bool | None
    ) -> dry_run.Destination:
        self.asked.append((host, server_id, disk_over_commit))
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return dataclasses.replace(
            test_dry_run.DESTINATION, host=host, **answer
        )


class CheckTest(test_command.CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bus = FakeBus()
        self.bus.answers = {'server-01': {}}
        self.useFixture(
            fixtures.MockPatchObject(check.Check, 'bus', lambda *_: self.bus)
        )

    def test_it_fits(self):
        self.assertEqual(0, self.run_command('check', SERVER))
        self.assertIn('server-01', self.out)
        self.assertIn('needs 4 GiB, 7 GiB available', self.out)
        self.assertIn('disk.eph0: qcow2, 5 GiB', self.err)
        self.assertEqual([('server-01', SERVER, None)], self.bus.asked)

    def test_it_does_not_fit(self):
        self.bus.answers['server-01'] = {'disk': verdict.Available(4 * GIB)}
        self.assertEqual(1, self.run_command('check', SERVER, '-f', 'json'))
        (line,) = json.loads(self.out)
        self.assertEqual('does not fit', line['result'])
        self.assertIn('1 GiB short', line['reason'])
        self.assertEqual([True, False], [row['fits'] for row in line['rows']])
        self.assertEqual('inline', line['disks'][0]['method'])
        self.assertEqual({'memory_mb': 8192}, line['record'])

    def test_one_of_several_is_enough(self):
        self.bus.answers = {
            'server-01': {'disk': verdict.Available(0)},
            'server-02': {},
            'server-03': operator_errors.NotAnswered('server-03 is silent'),
        }
        self.assertEqual(0, self.run_command('check', SERVER, '-f', 'json'))
        self.assertEqual(
            ['does not fit', 'fits', 'not asked'],
            [line['result'] for line in json.loads(self.out)],
        )

    def test_a_host_that_is_named(self):
        self.bus.answers['server-02'] = {}
        code = self.run_command(
            'check', SERVER, '--host', 'server-02', '--disk-over-commit'
        )
        self.assertEqual(0, code)
        self.assertEqual([('server-02', SERVER, True)], self.bus.asked)

    def test_nobody_answers(self):
        silent = operator_errors.NotAnswered('server-01 does not answer')
        self.bus.answers['server-01'] = silent
        self.assertEqual(2, self.run_command('check', SERVER))
        self.assertIn('server-01 does not answer', self.err)

    def test_what_the_source_refuses(self):
        self.bus.source_said = dataclasses.replace(
            test_dry_run.SOURCE, refusal='it is read-only'
        )
        self.assertEqual(1, self.run_command('check', SERVER))
        self.assertIn('it is read-only', self.out.replace('\n', ' '))

    def test_disks_of_another_kind(self):
        self.bus.answers['server-01'] = {'images_type': 'raw'}
        self.assertEqual(1, self.run_command('check', SERVER, '-f', 'json'))
        self.assertIn('images_type', json.loads(self.out)[0]['reason'])

    def test_the_host_where_it_is(self):
        self.bus.answers['server2'] = {}
        code = self.run_command(
            'check', SERVER, '--host', 'server2', '-f', 'json'
        )
        self.assertEqual(1, code)
        self.assertIn('is there', json.loads(self.out)[0]['reason'])


class WithoutNovaTest(test_command.CommandTestCase):
    def test_one_sentence(self):
        real = builtins.__import__

        def missing(name, *args):
            if name == 'nova_blockmig.cmd' and 'bus' in args[2]:
                raise ImportError("No module named 'nova'")
            return real(name, *args)

        self.useFixture(fixtures.MonkeyPatch('builtins.__import__', missing))
        self.assertEqual(2, self.run_command('check', SERVER))
        self.assertIn('Nova is not installed here', self.err)
