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
import time
from unittest import mock

import fixtures

from nova_blockmig.cmd import asking
from nova_blockmig.cmd import check
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers
from nova_blockmig.core import travel_time
from nova_blockmig.core import verdict
from nova_blockmig.tests.unit.cmd import check_case
from nova_blockmig.tests.unit.cmd import test_command
from nova_blockmig.tests.unit.core import test_dry_run

SERVER = check_case.SERVER
GIB = check_case.GIB


class CheckTest(check_case.CheckTestCase):
    def test_it_fits(self):
        self.assertEqual(0, self.run_command('check', SERVER))
        self.assertIn('server-01', self.out)
        self.assertIn('4 GiB of 7 GiB', self.out)
        self.assertNotIn('image base', self.out)
        self.assertIn('disk.eph0: qcow2, 5 GiB', self.err)
        self.assertIn('and up to 4 GiB of memory will be', self.err)
        self.assertIn('memory_mb: 8192', self.err)
        self.assertIn('memory x 1 8 GiB, used -1 GiB', self.err)
        self.assertEqual([('server-01', SERVER, None)], self.bus.asked)

    def test_what_travels(self):
        self.run_command('check', SERVER, '-f', 'json')
        (line,) = json.loads(self.out)
        self.assertEqual(3 * 2**20 + 4096, line['travel_bytes'])
        self.assertEqual(4 * GIB, line['memory_bytes'])
        self.assertIsNone(line['seconds'])

    def test_the_time_by_a_bandwidth(self):
        self.run_command('check', SERVER, '--bandwidth', '1024')
        self.assertIn('| 4 s ', self.out)
        self.assertEqual(
            2, self.run_command('check', SERVER, '--bandwidth', '0')
        )

    def test_the_time_by_the_past(self):
        self.bus.migrations = [
            travel_time.Past('server2', 'server-01', 2 * GIB, 10.0),
            travel_time.Past('server2', 'server-01', 2 * GIB, 30.0),
        ]
        self.run_command('check', SERVER)
        self.assertIn('20 s to 1 min', self.out)

    def test_one_that_does_not_run(self):
        self.bus.server = dataclasses.replace(
            self.bus.server, status='stopped'
        )
        self.assertEqual(1, self.run_command('check', SERVER, '-f', 'json'))
        self.assertIn('is stopped', json.loads(self.out)[0]['reason'])

    def test_one_that_is_nowhere(self):
        self.bus.server = dataclasses.replace(
            self.bus.server, host='', status='shelved_offloaded'
        )
        self.assertEqual(1, self.run_command('check', SERVER))
        self.assertIn('is not on any compute host', self.err)

    def test_a_host_that_does_not_exist(self):
        code = self.run_command('check', SERVER, '--host', 'server-1')
        self.assertEqual(2, code)
        self.assertIn("no compute host 'server-1'", self.err)
        self.assertEqual([], self.bus.asked)

    def test_a_host_that_is_down_is_not_waited_for(self):
        self.bus.nodes['server-01'] = servers.ComputeService(
            'id', 'server-01', up=False
        )
        self.assertEqual(2, self.run_command('check', SERVER))
        self.assertIn('nova-compute on server-01 is down', self.err)
        self.assertEqual([], self.bus.asked)

    def test_a_host_that_is_disabled(self):
        self.bus.nodes['server-01'] = servers.ComputeService(
            'id', 'server-01', enabled=False, reason='disk swap'
        )
        self.assertEqual(1, self.run_command('check', SERVER, '-f', 'json'))
        self.assertIn(
            'server-01 is disabled (disk swap)',
            json.loads(self.out)[0]['reason'],
        )

    def test_without_credentials_glance_is_not_asked(self):
        self.useFixture(
            fixtures.MockPatchObject(
                check.Check,
                'connection',
                mock.Mock(side_effect=operator_errors.NoCredentials('none')),
            )
        )
        self.assertEqual(0, self.run_command('check', SERVER))
        self.assertIn('Glance was not queried', self.err)

    def test_many_hosts_are_asked_at_once_and_not_too_many(self):
        names = [f'server-{number:04}' for number in range(1000)]
        self.bus.answers = {name: {} for name in names}
        most = self.bus.rendezvous = check_case.Rendezvous(asking.AT_ONCE)
        began = time.perf_counter()
        self.assertEqual(0, self.run_command('check', SERVER, '-f', 'json'))
        self.took = time.perf_counter() - began
        self.assertEqual(
            names, [line['destination'] for line in json.loads(self.out)]
        )
        self.assertEqual(asking.AT_ONCE, most.seen)

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
            ['fits', 'does not fit', 'not asked'],
            [line['result'] for line in json.loads(self.out)],
        )

    def test_a_host_that_is_named(self):
        self.bus.answers['server-02'] = {}
        code = self.run_command(
            'check',
            SERVER,
            '--host',
            'server-02',
            '--disk-over-commit',
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
        self.assertIn(
            'is already on this host', json.loads(self.out)[0]['reason']
        )


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
