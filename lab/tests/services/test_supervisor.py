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

"""What the lab makes of supervisord's answers."""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any
from unittest import mock

import psutil
import testtools

from blocklab.machine import layout
from blocklab.services import processes
from blocklab.services import supervisor

# Ends at once; its child does not listen and goes on.
PARENT = (
    'import os, signal, time\n'
    'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
    'if os.fork() == 0:\n'
    '    print(os.getpid(), flush=True)\n'
    '    time.sleep(600)\n'
)


class StopTest(testtools.TestCase):
    def test_what_a_service_has_started_is_gone_as_well(self) -> None:
        process = subprocess.Popen(
            [sys.executable, '-c', PARENT],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(_kill, process.pid)
        assert process.stdout is not None  # noqa: S101 - for mypy
        child = int(process.stdout.readline())
        process.wait()
        self.assertEqual([child], processes.group(process.pid))
        keeper = supervisor.Supervisor(layout.named('lab'))
        states: list[dict[str, Any]] = [
            {'statename': 'RUNNING', 'pid': process.pid},
            {'statename': 'STOPPING', 'pid': process.pid},
            {'statename': 'STOPPED', 'pid': 0},
        ]
        with (
            mock.patch.object(keeper, '_call') as call,
            mock.patch.object(processes, 'end', _at_once),
        ):
            call.return_value.getProcessInfo.side_effect = states
            keeper.stop('nova-api')
        self.assertFalse(_runs(child))

    def test_one_that_does_not_run(self) -> None:
        keeper = supervisor.Supervisor(layout.named('lab'))
        with mock.patch.object(keeper, '_call') as call:
            call.return_value.getProcessInfo.return_value = {
                'statename': 'STOPPED',
                'pid': 0,
            }
            keeper.stop('nova-api')
        call.return_value.stopProcess.assert_not_called()


_END = processes.end


def _at_once(pids: list[int], patience: float) -> None:
    _END(pids, patience=0)


def _kill(group: int) -> None:
    # Else it would hold the other end of our pipe.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
