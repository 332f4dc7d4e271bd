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


"""A host is emptied and filled again, through Nova's own APIs."""

import os
import signal

import fixtures
from nova.virt.libvirt import driver

from nova_blockmig.tests.functional import operating

SOURCE = operating.SOURCE
DESTINATION = operating.DESTINATION
SAID = 'Unable to write to socket: No space left on device'
DRIVER = 'nova.virt.libvirt.LibvirtDriver'


class EveryStateTest(operating.OperatingBase):
    """Two that can move, and three that cannot."""

    def setUp(self) -> None:
        super().setUp()
        for name in ('running', 'paused', 'off', 'failed'):
            self.boot_named(name)
        self.boot_named('large', memory_mb=6 * 1024)
        self.start_destinations(DESTINATION, memory_mb=4 * 1024)
        for name, action in (
            ('paused', {'pause': {}}),
            ('off', {'os-stop': None}),
            ('failed', {'os-resetState': {'state': 'error'}}),
        ):
            server = self.servers[name]
            self.admin_api.post_server_action(server['id'], action)
        self._wait_for_state_change(self.servers['paused'], 'PAUSED')
        self._wait_for_state_change(self.servers['off'], 'SHUTOFF')

    def test_there_and_back(self) -> None:
        self.plan()
        self.go()
        self.see()
        self.come_back()

    def plan(self) -> None:
        """Nothing is done."""
        self.assertEqual(1, self.on_source('drain', '--dry-run'), self.err)
        ways = self.results('way')
        self.assertEqual(
            {'running': 'live', 'paused': 'live', 'off': 'stays',
             'failed': 'stays', 'large': 'stays'},
            ways,
        )  # fmt: skip
        self.assertEqual({SOURCE}, set(self.hosts().values()))
        self.assertEqual('enabled', self.service()['status'])
        self.assertFalse(os.path.exists(self.record))

    def go(self) -> None:
        """Those that can leave, leave; of the others the reason is told."""
        self.assertEqual(1, self.on_source('drain', '--yes'), self.err)
        self.assertEqual(
            {'running': 'moved', 'paused': 'moved', 'off': 'stays',
             'failed': 'stays', 'large': 'stays'},
            self.results(),
        )  # fmt: skip
        reasons = self.results('reason')
        self.assertIn('use --cold', reasons['off'])
        self.assertIn('it is in ERROR', reasons['failed'])
        self.assertIn(f'{DESTINATION} lacks memory', reasons['large'])
        self.assertIn(f'Still on {SOURCE}: ', self.err)
        hosts = self.hosts()
        self.assertEqual(DESTINATION, hosts.pop('running'))
        self.assertEqual(DESTINATION, hosts.pop('paused'))
        self.assertEqual({SOURCE}, set(hosts.values()))
        service = self.service()
        self.assertEqual('disabled', service['status'])
        self.assertIn('nova-blockmig drain', service['disabled_reason'])
        server = self.api.get_server(self.servers['paused']['id'])
        self.assertEqual('PAUSED', server['status'])
        for name in ('off', 'failed', 'large'):
            self.assertEqual([], self.migrations_of(name))

    def see(self) -> None:
        """What is told of it afterwards."""
        self.assertEqual(0, self.command('watch', 'running'), self.err)
        self.assertIn('showing the most recent one', self.err)
        self.assertEqual(
            ('completed', DESTINATION, 'ACTIVE'),
            (self.out['result'], self.out['host'], self.out['status']),
        )
        self.assertEqual(1, self.command('watch', 'off'))
        self.assertIn('has never been live-migrated', self.err)
        self.assertEqual(2, self.command('watch', 'nobody'))
        self.assertEqual(0, self.command('history', '--host', SOURCE))
        self.assertEqual(
            {self.servers[name]['id'] for name in ('running', 'paused')},
            {row['instance'] for row in self.out},
        )
        self.assertEqual(0, self.command('history', 'paused'))
        (row,) = self.out
        self.assertEqual(
            (SOURCE, DESTINATION, 'completed'),
            (row['source'], row['destination'], row['result']),
        )

    def come_back(self) -> None:
        self.assertEqual(0, self.on_source('restore', '--yes'), self.err)
        self.assertEqual(
            {'running': 'moved', 'paused': 'moved'}, self.results()
        )
        self.assertEqual({SOURCE}, set(self.hosts().values()))
        self.assertEqual('enabled', self.service()['status'])
        self.assertEqual(0, self.command('history', 'running'))
        self.assertEqual(
            [SOURCE, DESTINATION], [row['destination'] for row in self.out]
        )


class MeanwhileTest(operating.OperatingBase):
    """Not all is as it was when the plan was made."""

    def setUp(self) -> None:
        super().setUp()
        for name in ('a', 'b', 'c', 'd'):
            self.boot_named(name)
        self.start_destinations(DESTINATION)

    def test_one_fault_does_not_stop_the_rest(self) -> None:
        """a fails, b is deleted, c ends in ERROR, and another one comes."""
        self.broken['a'] = SAID
        self.held = {'a', 'c'}
        finish = f'{DRIVER}.post_live_migration_at_destination'
        self.useFixture(
            fixtures.MonkeyPatch(finish, self.ends_badly(self.servers['c']))
        )
        self.meanwhile[2] = self.happens
        self.assertEqual(
            1, self.on_source('drain', '--yes', '--max-parallel', '1')
        )
        self.assertEqual(
            {'a': 'failed', 'b': 'gone', 'c': 'moved', 'd': 'moved',
             'late': 'moved'},
            self.results(),
        )  # fmt: skip
        reasons = self.results('reason')
        self.assertIn(SAID, reasons['a'])
        self.assertIn('has set it to ERROR', reasons['c'])
        self.assertEqual(SOURCE, self.hosts()['a'])
        self.assertIn(f'late: is on {SOURCE}', self.err)
        self.assertIn(f'Still on {SOURCE}: a.', self.err)
        # It goes on where it was, once that is mended.
        self.broken.clear()
        self.assertEqual(0, self.on_source('drain', '--yes'), self.err)
        self.assertEqual('moved', self.results()['a'])
        self.assertNotIn(SOURCE, self.hosts().values())

    def happens(self) -> None:
        """While the first is under way."""
        self._delete_server(self.servers['b'])
        # What had been accepted before the host was closed.
        service = f'/os-services/{self.service()["id"]}'
        self.admin_api.api_put(service, {'status': 'enabled'})
        self.boot_named('late')
        self.admin_api.api_put(service, {'status': 'disabled'})
        self.let_go()

    @staticmethod
    def ends_badly(server):
        """Nova's own step after an arrival, which fails for one."""
        original = driver.LibvirtDriver.post_live_migration_at_destination

        def finish(this, context, instance, *args, **kwargs):
            if instance.uuid == server['id']:
                raise RuntimeError('no network')
            original(this, context, instance, *args, **kwargs)

        return finish

    def test_one_that_is_interrupted_goes_on(self) -> None:
        """Twice Ctrl-C leaves at once, with one under way."""
        self.held = {'a'}
        self.meanwhile[2] = self.interrupt
        self.meanwhile[3] = self.interrupt
        self.assertEqual(
            130, self.on_source('drain', '--yes', '--max-parallel', '1')
        )
        self.assertIn('run the same command again to resume', self.err)
        self.assertEqual({SOURCE}, set(self.hosts().values()))
        self.assertEqual('disabled', self.service()['status'])
        self.let_go()
        self.assertEqual(0, self.on_source('drain', '--yes'), self.err)
        self.assertIn(f'Resuming from {self.record}', self.err)
        self.assertEqual({'moved'}, set(self.results().values()))
        self.assertNotIn(SOURCE, self.hosts().values())
        for name in self.servers:
            self.assertEqual(['completed'], self.migrations_of(name), name)

    @staticmethod
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
