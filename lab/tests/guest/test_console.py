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

"""The records of the guest, from a console that was recorded.

Recorded from a guest under QEMU 7.2 whose disks were changed behind its
back after tick 24: the config drive to zeroes, a few bytes of the backup
superblock of vdb, the swap header, and 20 MiB of swap.
"""

import dataclasses
from pathlib import Path
import unittest

from blocklab.guest import console
from blocklab.guest.records import Boot
from blocklab.guest.records import Disk
from blocklab.guest.records import Error
from blocklab.guest.records import KernelError
from blocklab.guest.records import Mismatch
from blocklab.guest.records import Tick
from blocklab.guest.records import Unreadable

RECORDED = Path(__file__).parent / 'data' / 'console-damaged-disks.txt'


class RecordedConsole(unittest.TestCase):
    def setUp(self) -> None:
        self.records = console.parse(RECORDED.read_text())
        self.summary = console.summarize(self.records)

    def test_every_record_is_understood(self) -> None:
        lines = RECORDED.read_text().count('BLOCKMIG ')
        self.assertEqual(lines, len(self.records))
        self.assertFalse(
            [r for r in self.records if isinstance(r, Unreadable)]
        )

    def test_boot_and_disks(self) -> None:
        self.assertEqual(
            Boot(
                '311b5536-74d9-401b-aae9-1f9254cab35d',
                '6.1.0-56-cloud-amd64',
                158036,
            ),
            self.summary.boot,
        )
        self.assertEqual(
            Disk('vdb', 'ext4', 21474836480, 'ephemeral0'),
            self.summary.disks['vdb'],
        )
        self.assertEqual(
            {'vda2': 'ext4', 'sr0': 'iso9660', 'sr1': 'unknown',
             'vdb': 'ext4', 'vdc': 'swap', 'vdd': 'xfs', 'vde': 'vfat'},
            {name: disk.kind for name, disk in self.summary.disks.items()},
        )  # fmt: skip

    def test_damage_is_found_and_counted(self) -> None:
        self.assertEqual(
            {('sr0', 'device'), ('vdb', 'signature'), ('vdc', 'signature'),
             ('vdc', 'memory')},
            {(m.disk, m.file) for m in self.summary.found},
        )  # fmt: skip
        self.assertEqual(4, self.summary.mismatches)
        self.assertFalse(self.summary.sound)

    def test_before_the_damage_all_was_well(self) -> None:
        before = [
            r
            for r in self.records
            if not isinstance(r, Tick | Mismatch) or r.tick < 25
        ]
        self.assertTrue(console.summarize(before).sound)

    def test_the_latest_look_is_kept_per_check(self) -> None:
        self.assertEqual(
            Tick(26, 'vdb', 'files', 8, 8, 1),
            self.summary.last['vdb', 'files'],
        )
        self.assertEqual(25, self.summary.last['vdb', 'static'].tick)
        self.assertEqual(26, self.summary.tick)


class Lines(unittest.TestCase):
    TICK = (
        'BLOCKMIG tick=4 disk=vdb check=files files=2 verified=2 mismatches='
    )

    def test_incomplete_last_line_does_not_count(self) -> None:
        self.assertEqual([], console.parse(self.TICK + '1'))
        self.assertEqual(1, len(console.parse(self.TICK + '1\r\n')))

    def test_line_cut_by_the_kernel(self) -> None:
        cut = 'BLOCKMIG tick=4 disk=v[   12.3] EXT4-fs error (device vdb)'
        self.assertEqual([Unreadable(cut)], console.parse(cut + '\n'))

    def test_number_that_is_none(self) -> None:
        line = self.TICK + 'many'
        self.assertEqual([Unreadable(line)], console.parse(line + '\n'))

    def test_record_after_the_shells_prompt(self) -> None:
        records = console.parse('guest# ' + self.TICK + '0\n')
        self.assertEqual([Tick(4, 'vdb', 'files', 2, 2, 0)], records)

    def test_kernel_errors(self) -> None:
        for line in (
            '[   99.1] EXT4-fs error (device vdb): ext4_lookup:1855: inode',
            '[   99.1] I/O error, dev vdb, sector 0 op 0x1:(WRITE)',
            '[   99.1] XFS (vdb): Metadata corruption detected at',
            '[   99.1] Kernel panic - not syncing: Attempted to kill init!',
        ):
            self.assertEqual([KernelError(line)], console.parse(line + '\n'))
        self.assertEqual(
            [], console.parse('[    1.2] XFS (vdd): Mounting V5 Filesystem\n')
        )


class Summaries(unittest.TestCase):
    def test_nothing_heard_is_not_sound(self) -> None:
        self.assertFalse(console.summarize([]).sound)

    def test_each_kind_of_trouble(self) -> None:
        good = Tick(5, 'vdb', 'files', 8, 8, 0)
        self.assertTrue(console.summarize([good]).sound)
        for bad in (
            Error(5, 'vdb', 'write'),
            KernelError('I/O error'),
            Mismatch(5, 'vdb', '00000001'),
            dataclasses.replace(good, mismatches=1),
        ):
            self.assertFalse(console.summarize([good, bad]).sound, bad)

    def test_boot_starts_anew(self) -> None:
        boot = Boot('x', '6.1', 1)
        summary = console.summarize([Mismatch(5, 'vdb', 'y'), boot])
        self.assertEqual((boot, 0), (summary.boot, summary.mismatches))
