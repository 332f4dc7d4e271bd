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

"""Commands in the guest, against a terminal that plays the guest."""

import base64
import os
from pathlib import Path
import threading
import unittest

from blocklab.guest import shell


def _answer(name: str, output: str, status: int) -> str:
    data = base64.b64encode(output.encode()).decode()
    parts = [data[n : n + 8] for n in range(0, len(data), 8)]
    lines = [
        f'\nBLOCKMIG reply id={name} part={n} data={part}\n'
        for n, part in enumerate(parts, 1)
    ]
    lines.append(f'\nBLOCKMIG reply id={name} parts={len(parts)} ')
    return ''.join(lines) + f'status={status}\n'


class ReplyInTest(unittest.TestCase):
    def test_among_other_records(self) -> None:
        tick = 'BLOCKMIG tick=4 disk=a check=files files=2 verified=2 '
        heard = _answer('aa', 'one\ntwo\n', 3).replace(
            '\n\n', f'\n{tick}mismatches=0\n'
        )
        self.assertEqual(
            shell.Reply(3, 'one\ntwo\n'),
            shell.reply_in(heard, 'aa'),
        )

    def test_without_output(self) -> None:
        self.assertEqual(
            shell.Reply(0, ''),
            shell.reply_in(_answer('aa', '', 0), 'aa'),
        )

    def test_part_lost(self) -> None:
        heard = _answer('aa', 'a long line of text', 0)
        self.assertIsNone(
            shell.reply_in(heard.replace('part=2', 'part=x'), 'aa')
        )

    def test_of_another_command(self) -> None:
        self.assertIsNone(shell.reply_in(_answer('bb', 'text', 0), 'aa'))


class RunInGuest(unittest.TestCase):
    def setUp(self) -> None:
        self.guest, terminal = os.openpty()
        self.addCleanup(os.close, self.guest)
        self.addCleanup(os.close, terminal)
        self.pty = Path(os.ttyname(terminal))

    def _play(self, typed: list[str]) -> None:
        heard = ''
        while not heard.endswith(' .\n'):
            heard += os.read(self.guest, 4096).decode()
        typed += heard.splitlines()
        name = typed[0].split()[1]
        os.write(self.guest, _answer(name, 'done\n', 0).encode())

    def test_long_command_goes_in_pieces(self) -> None:
        typed: list[str] = []
        guest = threading.Thread(target=self._play, args=(typed,))
        guest.start()
        command = 'echo ' + 'x' * 2000
        reply = shell.run_in_guest(self.pty, command, 30)
        guest.join()
        self.assertEqual(shell.Reply(0, 'done\n'), reply)
        self.assertLess(max(len(line) for line in typed), 1023)
        sent = ''.join(line.split()[2] for line in typed[:-1])
        self.assertEqual(command, base64.b64decode(sent).decode())

    def test_silent_guest(self) -> None:
        self.assertRaises(
            shell.GuestSilent,
            shell.run_in_guest,
            self.pty,
            'true',
            0.1,
        )
