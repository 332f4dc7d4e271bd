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

"""Running a command inside a guest, over its serial port."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import secrets
import select
import termios
import time

from blocklab.guest.console import parse
from blocklab.guest.records import ReplyEnd
from blocklab.guest.records import ReplyPart
from blocklab.machine.errors import LabError

# The guest's shell takes lines of 1023 characters at most.
_PIECE = 512


class GuestSilent(LabError):
    """The guest did not answer in time."""


@dataclass(frozen=True)
class Reply:
    """What a command in the guest did.

    :ivar output: standard output and standard error, mixed.
    """

    status: int
    output: str


def run_in_guest(pty: Path, command: str, timeout: float = 60) -> Reply:
    """Run a command in the guest's shell, as root.

    :param pty: the serial port's pseudo terminal on the host, as "virsh
        ttyconsole" names it. Nobody else may read it meanwhile.
    :param timeout: seconds.
    :raises GuestSilent: no complete answer came in time.
    """
    name = secrets.token_hex(4)
    deadline = time.monotonic() + timeout
    terminal = os.open(pty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        _make_raw(terminal)
        pending = _typed(name, command)
        heard = ''
        while (left := deadline - time.monotonic()) > 0:
            readable, writable, _ = select.select(
                [terminal], [terminal] if pending else [], [], left
            )
            if writable:
                pending = pending[os.write(terminal, pending[:256]) :]
            if readable:
                heard += os.read(terminal, 65536).decode(errors='replace')
                if reply := reply_in(heard, name):
                    return reply
    finally:
        os.close(terminal)
    raise GuestSilent(
        f'The guest gave no answer to "{command}" in {timeout:.0f} s.',
        'Look at its console log; it may have stopped or still be booting.',
    )


def _typed(name: str, command: str) -> bytes:
    return ''.join(f'bmrun {name} {d}\n' for d in _pieces(command)).encode()


def _pieces(command: str) -> Iterator[str]:
    data = base64.b64encode(command.encode()).decode()
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
    yield '.'


def reply_in(heard: str, name: str) -> Reply | None:
    """The reply of that name in what was heard so far, if complete."""
    records = parse(heard)
    parts = {
        record.part: record.data
        for record in records
        if isinstance(record, ReplyPart) and record.id == name
    }
    for record in records:
        if isinstance(record, ReplyEnd) and record.id == name:
            if len(parts) != record.parts:
                return None
            data = ''.join(parts[n + 1] for n in range(record.parts))
            output = base64.b64decode(data).decode(errors='replace')
            return Reply(record.status, output)
    return None


def _make_raw(terminal: int) -> None:
    # Without this the pseudo terminal would send back to the guest what
    # the guest says.
    flags = termios.tcgetattr(terminal)
    flags[0] &= ~(termios.ICRNL | termios.IXON)
    flags[1] &= ~termios.OPOST
    flags[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
    termios.tcsetattr(terminal, termios.TCSANOW, flags)
