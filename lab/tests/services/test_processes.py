# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import subprocess
import sys

import psutil
import testtools

from blocklab.services import processes

STUBBORN = (
    'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); '
    'print("ready", flush=True); time.sleep(600)'
)


class EndTest(testtools.TestCase):
    def start(self, program: str) -> 'subprocess.Popen[str]':
        process = subprocess.Popen(
            [sys.executable, '-c', program], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        assert process.stdout is not None  # noqa: S101 - for mypy
        self.assertEqual('ready\n', process.stdout.readline())
        return process

    def test_one_that_listens_and_one_that_does_not(self) -> None:
        mild = self.start(
            'print("ready", flush=True); import time; time.sleep(600)'
        )
        stubborn = self.start(STUBBORN)
        # Nobody has collected them yet: that must not count as running.
        processes.end([mild.pid, stubborn.pid], patience=0.2)
        for process in (mild, stubborn):
            self.assertEqual(
                psutil.STATUS_ZOMBIE, psutil.Process(process.pid).status()
            )
        self.assertEqual((-15, -9), (mild.wait(), stubborn.wait()))

    def test_one_that_is_gone(self) -> None:
        process = self.start('print("ready", flush=True)')
        process.wait()
        processes.end([process.pid], patience=0)
