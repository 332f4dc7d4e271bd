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

"""A host is emptied and filled again with the operator's commands.

Five instances share the boot: one runs, one is paused, one is refused, one is
shut off and one is in ERROR.
"""

from concurrent import futures
import pathlib
from typing import Any

import fixtures

from blocklab.migration import scenario
from nova_blockmig.tests.lab import base

MIB = 1 << 20
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
NAMES = ('running', 'paused', 'refused', 'shut-off', 'broken')
DONE, NOT_DONE = 0, 1


class OperatorToolsTest(base.LabTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory_ = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path
        )

    def command(self, *words: str) -> tuple[int, Any]:
        """Run nova-blockmig where its files are kept."""
        return self.tool(*words, directory=self.directory_)

    def boot_all(self) -> dict[str, Any]:
        FLAVOR.ensure(self.lab)
        with futures.ThreadPoolExecutor(len(NAMES)) as pool:
            booted = pool.map(self.boot_one, NAMES)
            return dict(zip(NAMES, booted, strict=True))

    def boot_one(self, name: str) -> Any:
        instance = scenario.boot(
            self.lab, f'tools-{name}', FLAVOR, host=base.SOURCE, timeout=400
        )
        self.addCleanup(self._delete, instance.id)
        return instance

    def arrange(self, them: dict[str, Any]) -> None:
        """Bring each into its state."""
        compute = self.lab.cloud.compute
        compute.stop_server(them['shut-off'].id)
        compute.reset_server_state(them['broken'].id, 'error')
        them['paused'].pause()
        self.monitor(them['refused'], 'savevm kept')
        # What QEMU keeps in memory of a qcow2 file is not in its hash.
        for command in (f'write -P 7 {960 * MIB} {32 * MIB}', 'flush'):
            self.monitor(
                them['paused'],
                'qemu-io -d /machine/peripheral/virtio-disk1/virtio-backend '
                f'"{command}"',
            )
        them['shut-off'].wait_for_status('SHUTOFF')

    def enable(self) -> None:
        """Let new instances come to the host again."""
        service = self.compute_service(base.SOURCE)
        if service.status != 'enabled':
            self.lab.cloud.compute.enable_service(service)

    def results(self, found: list[dict[str, Any]]) -> dict[str, str]:
        return {
            line['name'].removeprefix('tools-'): line['result']
            for line in found
        }

    def test_empty_a_host_and_fill_it_again(self) -> None:
        self.use()
        # Whatever fails here, the next test finds the host as it was.
        self.addCleanup(self.enable)
        them = self.boot_all()
        self.arrange(them)
        paused = them['paused']
        before = {
            'paused': paused.hash(),
            'running': them['running'].hash(read_only=True),
        }
        self.check_says(paused)
        self.some_move(them)
        self.assert_same(before['paused'], paused.hash())
        # QEMU before 10.0 takes no guest along twice that stays paused.
        paused.unpause()
        self.the_others_move(them)
        before['paused'] = paused.pause_and_hash()
        self.everybody_comes_back(them)
        self.assert_same(before['paused'], paused.hash())
        self.assert_same(
            before['running'], them['running'].hash(read_only=True)
        )

    def check_says(self, instance: Any) -> None:
        """It fits."""
        code, line = self.ask(instance, base.DESTINATION)
        self.assertEqual((DONE, 'fits', ''),
                         (code, line['result'], line['reason']))  # fmt: skip
        methods = {disk['name']: disk['method'] for disk in line['disks']}
        self.assertEqual('fetch', methods['disk'])

    def some_move(self, them: dict[str, Any]) -> None:
        """Those that cannot move stay, with their reasons."""
        code, found = self.command('drain', base.SOURCE, '--yes')
        self.assertEqual(NOT_DONE, code)
        self.assertEqual(
            {
                'running': 'moved',
                'paused': 'moved',
                'refused': 'failed',
                'shut-off': 'stays',
                'broken': 'stays',
            },
            self.results(found),
        )
        reasons = {line['name']: line['reason'] for line in found}
        self.assertIn('internal snapshot kept', reasons['tools-refused'])
        self.assertIn('ERROR', reasons['tools-broken'])
        service = self.compute_service(base.SOURCE)
        self.assertEqual('disabled', service.status)
        self.assertIn('nova-blockmig drain', service.disabled_reason)
        self.assertEqual('ACTIVE', them['running'].server.status)
        self.assertEqual('PAUSED', them['paused'].server.status)

    def the_others_move(self, them: dict[str, Any]) -> None:
        """Once what kept them is gone, the same command empties the host."""
        self.monitor(them['refused'], 'delvm kept')
        compute = self.lab.cloud.compute
        compute.reset_server_state(them['broken'].id, 'active')
        compute.start_server(them['shut-off'].id)
        them['shut-off'].wait_for_status('ACTIVE')
        code, found = self.command(
            'drain', base.SOURCE, '--yes', '--max-parallel', '3'
        )
        self.assertEqual(DONE, code)
        self.assertEqual({'moved'}, set(self.results(found).values()))
        self.assertEqual([], self.servers_on(base.SOURCE))

    def everybody_comes_back(self, them: dict[str, Any]) -> None:
        code, found = self.command(
            'restore', base.SOURCE, '--yes', '--max-parallel', '3',
            '--report', 'page.html',
        )  # fmt: skip
        self.assertEqual(DONE, code)
        self.assertEqual(set(NAMES), set(self.results(found)))
        self.assertEqual(
            sorted(each.id for each in them.values()),
            self.servers_on(base.SOURCE),
        )
        self.assertEqual('enabled', self.compute_service(base.SOURCE).status)
        page = (self.directory_ / 'page.html').read_text()
        self.assertIn('<h2>Restore</h2>', page)
        self.history_tells(them['running'])

    def history_tells(self, instance: Any) -> None:
        """How long the guest stood still, there and back."""
        logs = [
            f'--compute-log={self.lab.log_path(f"nova-compute@{host}")}'
            for host in base.HOSTS
        ]
        _, asked = self.command('history', instance.id)
        _, read = self.command('history', *logs)
        read = [line for line in read if line['instance'] == instance.id]
        for line in (*asked, *read):
            self.assertRegex(line['downtime'], r'^\d+ ms$')
        self.assertEqual(2, len(asked))
        self.assertEqual(
            [line['downtime'] for line in asked],
            [line['downtime'] for line in read],
        )
        self.assertNotIn('', [line['copied'] for line in read])

    def servers_on(self, host: str) -> list[str]:
        found = self.lab.cloud.compute.servers(
            all_projects=True, compute_host=host
        )
        return sorted(server.id for server in found)
