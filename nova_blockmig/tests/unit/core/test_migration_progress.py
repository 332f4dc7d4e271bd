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

import dataclasses

from nova_blockmig.core import migration_progress as progress
from nova_blockmig.core import watch_text
from nova_blockmig.tests.unit import base

RUNNING = progress.Migration(
    1, 'uuid', 'server', 'running', 'server2', 'server-01'
)
GIB = 2**30


def running(status: str = 'running', **more: object) -> progress.Migration:
    return dataclasses.replace(RUNNING, status=status, **more)  # type: ignore[arg-type]


class TestPhase(base.TestCase):
    def test_as_nova_goes(self) -> None:
        half = progress.Amount(10, 5)
        over = progress.Amount(10, 0)
        for status, disks, phase in (
            ('queued', progress.Amount(), progress.Phase.CHECKING),
            ('preparing', progress.Amount(), progress.Phase.PREPARING),
            ('preparing', half, progress.Phase.FLATTENING),
            ('running', progress.Amount(), progress.Phase.COPYING),
            ('running', half, progress.Phase.COPYING),
            ('running', over, progress.Phase.MEMORY),
            ('post-migrating', over, progress.Phase.SWITCHED),
            ('completed', over, progress.Phase.COMPLETED),
            ('error', half, progress.Phase.FAILED),
            ('cancelled', half, progress.Phase.FAILED),
        ):
            self.assertIs(phase, progress.phase(running(status, disks=disks)))


class TestPace(base.TestCase):
    def samples(self, *remaining: int) -> list[progress.Sample]:
        return [
            progress.Sample(float(at), progress.Amount(1000, left))
            for at, left in enumerate(remaining)
        ]

    def test_even(self) -> None:
        self.assertEqual(
            progress.Pace(100.0, 7.0, 7.0),
            progress.pace(self.samples(1000, 900, 800, 700)),
        )

    def test_the_spread_is_that_of_the_stretches(self) -> None:
        found = progress.pace(self.samples(1000, 900, 850, 600))
        self.assertEqual(
            progress.Pace(400 / 3, shortest=2.4, longest=12.0), found
        )

    def test_a_guest_that_writes_faster_than_it_is_copied(self) -> None:
        self.assertIsNone(progress.pace(self.samples(500, 500, 600)))

    def test_unknown_at_first(self) -> None:
        self.assertIsNone(progress.pace([]))
        self.assertIsNone(progress.pace(self.samples(1000)))
        zero = [progress.Sample(1.0, progress.Amount())] * 3
        self.assertIsNone(progress.pace(zero))

    def test_the_disks_appear_after_the_memory(self) -> None:
        samples = [
            progress.Sample(0.0, progress.Amount(100, 100)),
            progress.Sample(1.0, progress.Amount(1000, 900)),
        ]
        self.assertEqual(
            progress.Pace(100.0, 9.0, 9.0), progress.pace(samples)
        )


class TestText(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.migration = running(
            memory=progress.Amount(GIB, GIB // 2),
            disks=progress.Amount(20 * GIB, 5 * GIB),
        )
        self.pace = progress.Pace(100 * 2**20, 50, 70)

    def test_wide(self) -> None:
        self.assertEqual(
            [
                'server2 to server-01: copying disks, 100 MiB/s, 50 s to '
                '1 min 10 s left',
                '  memory [##############              ]  50 %  512 MiB of '
                '1 GiB',
                '  disks  [#####################       ]  75 %  15 GiB of '
                '20 GiB',
            ],
            watch_text.bars(self.migration, self.pace, 79),
        )

    def test_forty_columns(self) -> None:
        lines = watch_text.bars(self.migration, self.pace, 39)
        self.assertTrue(all(len(line) <= 39 for line in lines), lines)
        self.assertTrue(lines[1].endswith(' 50 %'), lines)

    def test_without_figures(self) -> None:
        lines = watch_text.bars(running('preparing'), None, 79)
        self.assertEqual('  disks  not known yet', lines[2])

    def test_plain(self) -> None:
        self.assertEqual(
            '    12 s  copying disks, memory 50 % of 1 GiB, disks 75 % of '
            '20 GiB',
            watch_text.plain(self.migration, None, 12),
        )
