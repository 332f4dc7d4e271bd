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

"""The way back of those whom a drain has moved."""

import json
import os
import signal

from nova_blockmig.core import drain_record
from nova_blockmig.tests.unit.cmd import drain_case

State = drain_record.State


class TestRestore(drain_case.DrainTestCase):
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
