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

"""One host of a running lab: running commands there, reaching its ports."""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
from pathlib import Path
import socket
import subprocess
from typing import Any

from pyroute2 import netns

from blocklab.machine import subprocesses
from blocklab.machine.layout import HostLayout


class Host:
    """A host that is up; `layout` says where its things are."""

    def __init__(self, layout: HostLayout) -> None:
        self.layout = layout

    @property
    def name(self) -> str:
        return self.layout.name

    def run(
        self,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        text: str | None = None,
    ) -> str:
        """Run a command to its end on this host; its output.

        :raises CommandFailed: the status is not 0.
        """
        words = [str(word) for word in command]
        return subprocesses.run(
            f'"{" ".join(words)}" on {self.name}',
            self.layout.enter(*words),
            log=log,
            text=text,
        )

    def popen(
        self, command: Sequence[str | Path], **options: Any
    ) -> 'subprocess.Popen[bytes]':
        """Start a command on this host; the options are Popen's."""
        options.setdefault('env', subprocesses.environment())
        return subprocess.Popen(
            self.layout.enter(*(str(word) for word in command)), **options
        )

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """This thread opens its sockets on this host meanwhile.

        A socket stays in the namespace that it was opened in, so it is
        enough to be here while connecting.
        """
        with open('/proc/thread-self/ns/net') as before:
            netns.setns(str(self.layout.network_namespace))
            try:
                yield
            finally:
                netns.setns(before.fileno())

    def connect(
        self, port: int, address: str | None = None, timeout: float = 5
    ) -> socket.socket:
        """A TCP connection from this host, to itself by default.

        :raises OSError: nobody answers.
        """
        with self.network():
            return socket.create_connection(
                (address or self.layout.address, port), timeout
            )
