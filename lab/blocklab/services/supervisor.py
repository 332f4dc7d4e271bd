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

"""supervisord: one per lab, in charge of all its services."""

from pathlib import Path
import subprocess
import sys
import time
from typing import Any
import xmlrpc.client

import psutil
from supervisor import xmlrpc as supervisor_xmlrpc

from blocklab.machine import subprocesses
from blocklab.machine.errors import LabError
from blocklab.machine.layout import LAB_DIR
from blocklab.machine.layout import Layout
from blocklab.services import processes

RUNNING = 'RUNNING'


class Supervisor:
    """The supervisor of one lab.

    The methods may be called from several threads: every call opens a
    connection of its own.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @property
    def config(self) -> Path:
        return self._layout.etc / 'supervisord.conf'

    def pid(self) -> int | None:
        """The process ID of the running supervisord, if there is one."""
        try:
            pid = int(self._layout.supervisor_pid.read_text())
            words = psutil.Process(pid).cmdline()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        # After a reboot the number may be somebody else's.
        return pid if str(self.config) in words else None

    def start(self) -> None:
        """Start supervisord, unless it runs."""
        if self.pid() is not None:
            return
        # Not as a daemon, whose forks would lose what subreaper.py sets.
        subprocess.Popen(
            [
                *(sys.executable, '-B', '-m', 'blocklab.services.supervisord'),
                *('--nodaemon', '--configuration', self.config),
            ],
            cwd='/',
            env=subprocesses.environment({'PYTHONPATH': str(LAB_DIR)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=0o022,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self._call().getState()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise LabError(
            'supervisord does not answer.',
            f'See {self._layout.logs / "supervisord.log"}.',
        )

    def reload(self) -> None:
        """Take over a changed configuration file.

        A program whose entry changed is stopped, and left so.
        """
        added, changed, removed = self._call().reloadConfig()[0]
        gone = (*changed, *removed)
        for name in gone:
            if self.process(name) is not None:
                self._call().stopProcess(name, False)  # all at once
        for name in gone:
            self.stop(name)
            self._call().removeProcessGroup(name)
        for name in (*added, *changed):
            self._call().addProcessGroup(name)

    def processes(self) -> dict[str, int | None]:
        """Service -> process ID, None when it does not run."""
        return {
            info['name']: info['pid'] if info['statename'] == RUNNING else None
            for info in self._call().getAllProcessInfo()
        }

    def process(self, name: str) -> int | None:
        """The process ID of a service, None when it does not run."""
        info = self._call().getProcessInfo(name)
        return info['pid'] if info['statename'] == RUNNING else None

    def _state(self, name: str) -> str:
        return str(self._call().getProcessInfo(name)['statename'])

    def start_service(self, name: str) -> None:
        self._call().startProcess(name, True)

    def stop(self, name: str) -> None:
        """Stop a service and wait until it and its children are gone.

        A process that has put itself into another group, like a guest of
        libvirtd, is not meant.
        """
        info = self._call().getProcessInfo(name)
        if info['statename'] in ('RUNNING', 'STARTING'):
            self._call().stopProcess(name, False)
        while self._state(name) == 'STOPPING':
            time.sleep(0.1)
        # uwsgi may end before its workers, and they have its port: whoever
        # is started next could not listen on it.
        if info['pid']:
            processes.end(processes.group(info['pid']), patience=8)

    def _call(self) -> Any:
        # The proxy's attributes are the remote methods: nothing to type.
        transport = supervisor_xmlrpc.SupervisorTransport(
            None, None, f'unix://{self._layout.supervisor_socket}'
        )
        proxy: Any = xmlrpc.client.ServerProxy(
            'http://localhost', transport=transport
        )
        return proxy.supervisor
