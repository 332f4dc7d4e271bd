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
"""A drain that is interrupted, and one that is killed, go on.

Three paused guests on a slow link, so that there is time to do it.
"""

from concurrent import futures
import json
import pathlib
import signal
import subprocess
import time
from typing import Any

import fixtures
from testtools import content

from blocklab.machine import subprocesses
from blocklab.migration import scenario
from nova_blockmig.tests.lab import base

MIB = 1 << 20
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
NAMES = ('one', 'two', 'three')
SLOW = {'libvirt': {'live_migration_bandwidth': '8'}}
DONE, NOT_DONE = 0, 1
RECORD = f'{base.SOURCE}.drain.json'
PATIENCE = 400


class InterruptedDrainTest(base.LabTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory_ = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path
        )

    def boot_one(self, name: str) -> Any:
        # A paused guest with a config drive comes back but once.
        instance = scenario.boot(
            self.lab,
            f'drain-{name}',
            FLAVOR,
            host=base.SOURCE,
            config_drive=False,
            timeout=400,
        )
        self.addCleanup(self._delete, instance.id)
        instance.pause()
        for command in (f'write -P 7 {900 * MIB} {64 * MIB}', 'flush'):
            self.monitor(
                instance,
                'qemu-io -d /machine/peripheral/virtio-disk1/virtio-backend '
                f'"{command}"',
            )
        return instance

    def enable(self) -> None:
        """Let new instances come to the host again."""
        service = self.compute_service(base.SOURCE)
        if service.status != 'enabled':
            self.lab.cloud.compute.enable_service(service)

    def begin(self) -> 'subprocess.Popen[str]':
        """Begin a drain; one guest at a time."""
        command = self.lab.client_command(
            'nova-blockmig', 'drain', base.SOURCE, '--yes',
            '--max-parallel', '1', '-f', 'json',
        )  # fmt: skip
        process = subprocess.Popen(
            command,
            cwd=self.directory_,
            env=subprocesses.environment(self.lab.credentials()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        return process

    def states(self) -> dict[str, str]:
        """Name -> state, by the record."""
        path = self.directory_ / RECORD
        if not path.exists():
            return {}
        entries = json.loads(path.read_text())['drain']['entries']
        return {
            entry['name'].removeprefix('drain-'): entry['state']
            for entry in entries.values()
        }

    def wait_for_a_copy(self, process: 'subprocess.Popen[str]') -> str:
        """Wait until Nova runs a migration; the instance that moves."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.assertIsNone(process.poll())
            for record in self.lab.cloud.compute.migrations(host=base.SOURCE):
                if record.status == 'running':
                    return str(record.server_id)
            time.sleep(0.5)
        self.fail('no migration has begun')

    def end(self, process: 'subprocess.Popen[str]') -> tuple[int, str]:
        """Wait for it; its exit code, and what it said."""
        out, said = process.communicate(timeout=PATIENCE)
        self.addDetailUniqueName('drain', content.text_content(out + said))
        return process.returncode, said

    def migrations(self) -> list[Any]:
        return [
            record
            for each in self.them.values()
            for record in self.lab.cloud.compute.migrations(server_id=each.id)
        ]

    def servers_on(self, host: str) -> list[str]:
        found = self.lab.cloud.compute.servers(
            all_projects=True, compute_host=host
        )
        return sorted(server.id for server in found)

    def test_it_goes_on(self) -> None:
        self.use(extra=dict.fromkeys(base.HOSTS, SLOW))
        self.addCleanup(self.enable)
        FLAVOR.ensure(self.lab)
        with futures.ThreadPoolExecutor(len(NAMES)) as pool:
            booted = pool.map(self.boot_one, NAMES)
            self.them = dict(zip(NAMES, booted, strict=True))
        before = {name: each.hash() for name, each in self.them.items()}
        self.interrupted()
        self.killed()
        self.goes_on()
        for name, each in self.them.items():
            self.assert_same(before[name], each.hash())
        self.comes_back()
        for name, each in self.them.items():
            self.assert_same(before[name], each.hash())

    def interrupted(self) -> None:
        """What is under way ends, and nothing else is begun."""
        process = self.begin()
        moving = self.wait_for_a_copy(process)
        process.send_signal(signal.SIGINT)
        code, said = self.end(process)
        self.assertEqual(NOT_DONE, code, said)
        self.assertIn('waiting for the migrations in progress', said)
        self.assertIn('run the same command again to resume', said)
        self.assertIn(f'Still on {base.SOURCE}:', said)
        self.assertEqual(
            ['moved', 'planned', 'planned'], sorted(self.states().values())
        )
        (record,) = self.migrations()
        self.assertEqual('completed', record.status)
        self.assertNotIn(moving, self.servers_on(base.SOURCE))

    def killed(self) -> None:
        """The record has what was begun, and Nova goes on with it."""
        process = self.begin()
        self.wait_for_a_copy(process)
        process.kill()
        code, _ = self.end(process)
        self.assertEqual(-signal.SIGKILL, code)
        self.assertEqual(
            ['moved', 'moving', 'planned'], sorted(self.states().values())
        )

    def goes_on(self) -> None:
        """To the end; nobody is asked to move twice."""
        code, said = self.end(self.begin())
        self.assertEqual(DONE, code, said)
        self.assertIn(f'Resuming from {RECORD}', said)
        self.assertIn(f'{base.SOURCE} is empty', said)
        self.assertEqual([], self.servers_on(base.SOURCE))
        self.assertEqual({'moved'}, set(self.states().values()))
        self.assertEqual(
            ['completed'] * len(NAMES),
            [record.status for record in self.migrations()],
        )

    def comes_back(self) -> None:
        code, found = self.tool(
            'restore', base.SOURCE, '--yes', directory=self.directory_
        )
        self.assertEqual(DONE, code)
        self.assertEqual({'moved'}, {line['result'] for line in found})
        self.assertEqual(
            sorted(each.id for each in self.them.values()),
            self.servers_on(base.SOURCE),
        )
        self.assertEqual('enabled', self.compute_service(base.SOURCE).status)
