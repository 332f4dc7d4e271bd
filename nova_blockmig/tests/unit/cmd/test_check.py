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
import threading
import time
from typing import Any
from unittest import mock

import fixtures

from nova_blockmig.cmd import asking
from nova_blockmig.cmd import by_record
from nova_blockmig.cmd import check
from nova_blockmig.core import dry_run
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers
from nova_blockmig.core import travel_time
from nova_blockmig.core import verdict
from nova_blockmig.tests.unit.cmd import test_command
from nova_blockmig.tests.unit.core import test_dry_run

SERVER = 'bd261aa7-728b-4edb-bd18-2ae2370b6549'
GIB = 2**30


class Rendezvous:
    """Counts how many are here at once; the first wait for so many.

    :ivar seen: the most that were here at once.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._lock = threading.Lock()
        self._all_here = threading.Event()
        self._here = self.seen = 0

    def meet(self) -> None:
        with self._lock:
            self._here += 1
            self.seen = max(self.seen, self._here)
            if self._here >= self._expected:
                self._all_here.set()
        self._all_here.wait(30)
        with self._lock:
            self._here -= 1


class FakeBus:
    """The compute hosts of a cell."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.source_said = test_dry_run.SOURCE
        self.for_in_tree: Any = test_dry_run.SOURCE
        self.asked: list[tuple[str, str, bool | None]] = []
        self.server = servers.Server(
            SERVER, 'web-1', 'active', 'server2', memory_mb=4096
        )
        self.rendezvous: Rendezvous | None = None
        self.nodes: dict[str, servers.ComputeService] = {}
        self.migrations: list[travel_time.Past] = []
        self.row: dict[str, Any] = {}

    def instance(self, server_id: str) -> servers.Server:
        return dataclasses.replace(self.server, id=server_id)

    def services(self) -> list[servers.ComputeService]:
        return [
            self.nodes.get(host) or servers.ComputeService(f'id-{host}', host)
            for host in {'server2': {}, **self.answers}
        ]

    def past(self, source: str) -> list[travel_time.Past]:
        return self.migrations

    def source(
        self, host: str, server_id: str, *, in_tree: bool = False
    ) -> dry_run.Source:
        assert host == 'server2'
        said = self.for_in_tree if in_tree else self.source_said
        if isinstance(said, Exception):
            raise said
        return said

    def record(
        self, host: str, server: servers.Server, disk_over_commit: bool | None
    ) -> dry_run.Destination:
        row = {'memory_mb': 8192, 'disk_available_least': 6, **self.row}
        return by_record.destination(host, row, server, disk_over_commit)

    def destination(
        self, host: str, server_id: str, disk_over_commit: bool | None
    ) -> dry_run.Destination:
        self.asked.append((host, server_id, disk_over_commit))
        if self.rendezvous:
            self.rendezvous.meet()
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return dataclasses.replace(
            test_dry_run.DESTINATION, host=host, **answer
        )


class CheckTestCase(test_command.CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bus = FakeBus()
        self.bus.answers = {'server-01': {}}
        self.useFixture(
            fixtures.MockPatchObject(check.Check, 'bus', lambda *_: self.bus)
        )
        self.useFixture(
            fixtures.MockPatchObject(
                check.Check, 'connection', lambda _: object()
            )
        )


class CheckTest(CheckTestCase):
    def test_it_fits(self):
        self.assertEqual(0, self.run_command('check', SERVER))
        self.assertIn('server-01', self.out)
        self.assertIn('4 GiB of 7 GiB', self.out)
        self.assertNotIn('image base', self.out)
        self.assertIn('disk.eph0: qcow2, 5 GiB', self.err)
        self.assertIn('and up to 4 GiB of memory travel', self.err)
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
        self.assertIn('is on no compute host', self.err)

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
        self.assertIn('Glance cannot be asked', self.err)

    def test_many_hosts_are_asked_at_once_and_not_too_many(self):
        names = [f'server-{number:04}' for number in range(1000)]
        self.bus.answers = {name: {} for name in names}
        most = self.bus.rendezvous = Rendezvous(asking.AT_ONCE)
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


class InTreeTest(CheckTestCase):
    """A destination with the in-tree driver."""

    def setUp(self) -> None:
        super().setUp()
        self.bus.answers['server-01'] = operator_errors.NotOurs('no endpoint')

    def line(self) -> Any:
        self.code = self.run_command('check', SERVER, '-f', 'json')
        (line,) = json.loads(self.out)
        return line

    def test_its_record_is_what_is_known(self):
        line = self.line()
        self.assertEqual((2, 'may fit'), (self.code, line['result']))
        self.assertIn('only its record was looked at', line['reason'])
        self.assertEqual(
            ['RAM', 'disk (virtual sizes)'],
            [row['resource'] for row in line['rows']],
        )
        self.assertEqual(6, line['record']['disk_available_least'])
        self.assertNotIn('images_type', line['reason'])

    def test_its_record_is_enough_for_a_no(self):
        self.bus.row['disk_available_least'] = 4
        line = self.line()
        self.assertEqual((1, 'does not fit'), (self.code, line['result']))
        self.assertIn('1 GiB short', line['reason'])

    def test_a_record_without_a_number(self):
        self.bus.row['disk_available_least'] = None
        self.assertIn('disk_available_least', self.line()['reason'])

    def test_what_cannot_travel_there(self):
        self.bus.for_in_tree = dataclasses.replace(
            test_dry_run.SOURCE, refusal='it would arrive blank'
        )
        line = self.line()
        self.assertEqual((1, 'does not fit'), (self.code, line['result']))
        self.assertIn('it would arrive blank', line['reason'])

    def test_a_source_that_does_not_know_such_hosts(self):
        self.bus.for_in_tree = operator_errors.NotOurs('server2 is older')
        self.bus.answers['server-02'] = {}
        code = self.run_command('check', SERVER, '-f', 'json')
        fits, other = json.loads(self.out)
        self.assertEqual((0, 'fits'), (code, fits['result']))
        self.assertEqual('not asked', other['result'])
        self.assertIn('server2 is older', other['reason'])

    def test_said_to_people(self):
        self.assertEqual(2, self.run_command('check', SERVER))
        self.assertIn('disk_available_least: 6', self.err)
        self.assertIn('may fit', self.out)


class DefectsTest(CheckTestCase):
    """Versions that are known to be bad, on either side."""

    def setUp(self) -> None:
        super().setUp()
        self.bus.source_said = dataclasses.replace(
            test_dry_run.SOURCE,
            versions={'QEMU': 8002002, 'libvirt': 9000000},
            machine_type='pc-q35-8.2',
        )

    def answer(self, **versions: int) -> None:
        self.bus.answers['server-01'] = {'versions': versions}

    def test_both_are_named(self):
        self.answer(QEMU=10000013, libvirt=11003000)
        self.assertEqual(0, self.run_command('check', SERVER))
        self.assertIn('server2: QEMU 8.2.2 has a known defect', self.err)
        self.assertIn('server-01: libvirt 11.3.0 has a known', self.err)
        self.assertIn('xml-of-incoming-guests', self.out)
        self.run_command('check', SERVER, '-f', 'json')
        (line,) = json.loads(self.out)
        self.assertEqual(2, len(line['known_defects']))
        self.assertEqual(
            {'QEMU': 10000013, 'libvirt': 11003000},
            line['versions']['server-01'],
        )

    def test_none_is_known(self):
        self.answer(QEMU=11000000, libvirt=12000000)
        self.run_command('check', SERVER)
        self.assertNotIn('known defects', self.out)

    def test_a_machine_type_that_is_too_new(self):
        self.answer(QEMU=7002022)
        self.assertEqual(1, self.run_command('check', SERVER, '-f', 'json'))
        self.assertIn(
            'machine type pc-q35-8.2', json.loads(self.out)[0]['reason']
        )

    def test_zeroes_that_are_counted(self):
        self.bus.source_said = dataclasses.replace(
            test_dry_run.SOURCE,
            disks=(
                dataclasses.replace(
                    test_dry_run.DISK, counted_bytes=GIB, data_bytes=2**20
                ),
            ),
        )
        self.bus.migrations = [
            travel_time.Past('server2', 'server-01', 5 * GIB, 100.0)
        ]
        self.run_command('check', SERVER)
        self.assertIn('Nova will show 1 GiB of disks', self.err)
        self.assertIn('1 min 40 s', self.out)


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
