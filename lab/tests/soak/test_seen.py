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

"""How a move is judged from what was seen of it."""

import unittest

from blocklab.guest import console
from blocklab.soak import seen

BOOT = 'BLOCKMIG boot id=1-2 kernel=6.1 memory_kib=1\n'
TICK = (
    'BLOCKMIG tick=7 disk=vda2 check=files files=8 verified=8 mismatches={}\n'
)


class SoundTest(unittest.TestCase):
    def test_only_a_completed_move_of_the_same_bytes(self) -> None:
        self.assertTrue(seen.Moved(0, 0, True, 'completed', 1).sound)
        for wrong in (
            seen.Moved(0, 0, True, 'failed', 1),
            seen.Moved(0, 0, True, 'completed', 1, different=('disk',)),
            seen.Moved(0, 0, True, 'completed', 1, crashed=('BUG',)),
            seen.Moved(0, 0, True, 'completed', 1, error='silent'),
        ):
            self.assertFalse(wrong.sound)


class CrashesTest(unittest.TestCase):
    def test_none(self) -> None:
        text = TICK.format(0)
        self.assertEqual((), seen.crashes(text, booted_here=False))
        self.assertEqual((), seen.crashes(BOOT + text, booted_here=True))

    def test_a_second_boot(self) -> None:
        for text, booted_here in ((BOOT, False), (BOOT + BOOT, True)):
            self.assertEqual(
                ('started anew',),
                seen.crashes(text, booted_here=booted_here),
            )

    def test_what_the_kernel_says_before_it_starts_anew(self) -> None:
        for line in (
            'list_del corruption, ffff->next is LIST_POISON1',
            'kernel BUG at lib/list_debug.c:56!',
            'BUG: unable to handle page fault',
            'general protection fault, probably for non-canonical address',
            'Kernel panic - not syncing: Fatal exception',
        ):
            said = f'[ 9.1] {line}'
            self.assertEqual(
                (said, 'started anew'),
                seen.crashes(f'{said}\n{BOOT}', booted_here=False),
            )


class WrongTest(unittest.TestCase):
    def _wrong(self, text: str) -> list[str]:
        return seen.wrong(console.summarize(console.parse(text)))

    def test_nothing(self) -> None:
        self.assertEqual([], self._wrong(TICK.format(0)))

    def test_a_file(self) -> None:
        said = 'BLOCKMIG mismatch tick=7 disk=vda2 file=00000003\n'
        self.assertEqual(['vda2 00000003'], self._wrong(said + TICK.format(1)))

    def test_what_was_said_on_another_host_is_still_counted(self) -> None:
        self.assertEqual(['2 mismatches'], self._wrong(TICK.format(2)))

    def test_what_the_guest_could_not_do(self) -> None:
        said = 'BLOCKMIG error tick=7 disk=vdb what=write\n'
        self.assertEqual(['vdb write'], self._wrong(said))


class SummaryTest(unittest.TestCase):
    def _record(self, **changes: object) -> dict[str, object]:
        return {
            'seed': 2, 'driver': 'blockmig', 'number': 0, 'paused': True,
            'status': 'completed', 'compared': 3, 'different': [],
            'crashed': [], 'error': '', **changes,
        }  # fmt: skip

    def test_everything_is_counted(self) -> None:
        first, second, third = seen.summary(
            [
                self._record(),
                self._record(number=1, paused=False, compared=1),
                self._record(seed=1, status='failed', different=['disk']),
                self._record(seed=1, crashed=['BUG'], error='silent'),
            ]
        )
        self.assertEqual(
            'blockmig: 4 migrations of 3 instances, 3 completed, 3 of them '
            'of paused guests',
            first,
        )
        self.assertEqual(
            '  10 disks compared by digest, 1 migrations with a difference, '
            '1 with a crash of the guest, 1 not judged',
            second,
        )
        self.assertEqual('  seeds 1, 2', third)

    def test_each_driver_for_itself(self) -> None:
        lines = seen.summary([self._record(), self._record(driver='stock')])
        self.assertEqual(6, len(lines))
