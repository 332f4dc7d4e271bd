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

"""The demo's report, from values."""

import dataclasses
import json
import unittest

from blocklab.guest.console import Summary
from blocklab.guest.disks import Device
from blocklab.guest.disks import DiskSize
from blocklab.guest.disks import DiskState
from blocklab.guest.records import Mismatch
from blocklab.guest.records import Tick
from blocklab.migration import report
from blocklab.migration.report import DiskRow
from blocklab.migration.report import GuestView
from blocklab.migration.report import Move
from blocklab.migration.report import Report

GIB = 1024**3
RIGHT = GuestView(8, 8, ())
ROW = DiskRow('disk', 10 * GIB, 2625536, 'base', 'aa', 'aa', RIGHT)
RUNNING = dataclasses.replace(ROW, sha256_before=None, sha256_after=None)
MOVE = Move(
    title='Move 1',
    command='nova live-migration --block-migrate med server-01',
    source='server2',
    destination='server-01',
    status='completed',
    seconds=18.6,
    memory_bytes=113261644,
    disk_bytes=12345,
    downtime_ms=274,
    guest_runs=True,
    statuses=('ACTIVE', 'MIGRATING'),
    connections=(),
    cpu_percent={'server2': 80.5},
    disks=(ROW,),
)
REPORT = Report('med', 'uuid', 'in-tree', '2026.2', '34.0.0', (MOVE,))


class Rows(unittest.TestCase):
    def test_equal_digests(self) -> None:
        self.assertTrue(ROW.identical)

    def test_different_digests(self) -> None:
        row = dataclasses.replace(ROW, sha256_after='bb')
        self.assertFalse(row.identical)

    def test_one_digest_is_missing(self) -> None:
        row = dataclasses.replace(ROW, sha256_after=None)
        self.assertFalse(row.identical)

    def test_running_guest_is_the_witness(self) -> None:
        self.assertTrue(RUNNING.identical)
        for view in (GuestView(8, 7, ()), GuestView(8, 8, ('signature',)),
                     GuestView(0, 0, ()), None):  # fmt: skip
            row = dataclasses.replace(RUNNING, guest=view)
            self.assertFalse(row.identical, view)

    def test_guest_sees_more_than_the_digests(self) -> None:
        wrong = GuestView(8, 8, ('00000012',))
        self.assertFalse(dataclasses.replace(ROW, guest=wrong).identical)

    def test_made_from_what_is_known(self) -> None:
        state = DiskState('disk', 10, 5, 'base', 'aa')
        size = {'disk': DiskSize(10, 5, 'base'), 'eph': DiskSize(1, 1, None)}
        rows = report.rows({'disk': state}, {'disk': state}, size, {})
        self.assertEqual(
            (
                DiskRow('disk', 10, 5, 'base', 'aa', 'aa', None),
                DiskRow('eph', 1, 1, None, None, None, None),
            ),
            rows,
        )


class Overall(unittest.TestCase):
    def test_first_and_last_digest(self) -> None:
        second = dataclasses.replace(
            MOVE, disks=(dataclasses.replace(ROW, sha256_before='bb'),)
        )
        (row,) = report.overall([MOVE, second])
        self.assertEqual(('aa', 'aa'), (row.sha256_before, row.sha256_after))

    def test_damage_of_the_first_move_stays(self) -> None:
        blank = dataclasses.replace(ROW, sha256_after='00')
        still = dataclasses.replace(ROW, sha256_before='00', sha256_after='00')
        moves = [
            dataclasses.replace(MOVE, disks=(row,)) for row in (blank, still)
        ]
        (row,) = report.overall(moves)
        self.assertFalse(row.identical)

    def test_what_the_guest_saw_in_the_first_move_stays(self) -> None:
        wrong = dataclasses.replace(
            RUNNING, guest=GuestView(8, 8, ('signature',))
        )
        moves = [
            dataclasses.replace(MOVE, disks=(row,)) for row in (wrong, ROW)
        ]
        (row,) = report.overall(moves)
        self.assertFalse(row.identical)
        self.assertEqual('aa', row.sha256_before)


class Verdict(unittest.TestCase):
    def test_all_is_well(self) -> None:
        self.assertTrue(REPORT.sound)

    def test_each_reason_to_fail(self) -> None:
        bad = dataclasses.replace(ROW, sha256_after='bb')
        for change in (
            {'status': 'error'},
            {'guest_runs': False},
            {'disks': ()},
            {'disks': (ROW, bad)},
        ):
            move = dataclasses.replace(MOVE, **change)
            result = dataclasses.replace(REPORT, moves=(MOVE, move))
            self.assertFalse(result.sound, change)
        self.assertFalse(dataclasses.replace(REPORT, moves=()).sound)


class Json(unittest.TestCase):
    def test_keys_and_values(self) -> None:
        said = json.loads(json.dumps(REPORT.as_json()))
        self.assertEqual(
            {
                'instance': 'med',
                'source': 'server2',
                'destination': 'server-01',
                'status': 'completed',
                'driver': 'in-tree',
                'nova_version': '34.0.0',
                'seconds': 18.6,
                'identical': True,
            },
            {key: said[key] for key in (
                'instance', 'source', 'destination', 'status', 'driver',
                'nova_version', 'seconds', 'identical')},
        )  # fmt: skip
        (disk,) = said['disks']
        self.assertEqual(
            {
                'name': 'disk',
                'virtual_bytes': 10 * GIB,
                'allocated_bytes': 2625536,
                'sha256_before': 'aa',
                'sha256_after': 'aa',
                'identical': True,
            },
            {key: disk[key] for key in (
                'name', 'virtual_bytes', 'allocated_bytes', 'sha256_before',
                'sha256_after', 'identical')},
        )  # fmt: skip
        self.assertEqual(18.6, said['moves'][0]['seconds'])
        self.assertTrue(said['moves'][0]['disks'][0]['identical'])

    def test_status_is_the_first_that_is_not_completed(self) -> None:
        failed = dataclasses.replace(MOVE, status='failed', disks=())
        result = dataclasses.replace(REPORT, moves=(MOVE, failed))
        self.assertEqual('failed', result.as_json()['status'])


class GuestViews(unittest.TestCase):
    DEVICES = (
        Device('vda', '/i/disk', 'qcow2', False),
        Device('vdb', '/i/disk.eph0', 'qcow2', False),
        Device('vdc', '/i/disk.swap', 'qcow2', False),
        Device('hda', '/i/disk.config', 'raw', True),
    )

    def test_novas_names_for_the_guests_devices(self) -> None:
        summary = Summary(
            last={
                ('vda2', 'files'): Tick(6, 'vda2', 'files', 6, 6, 0),
                ('vdb', 'files'): Tick(6, 'vdb', 'files', 6, 6, 1),
                ('vdb', 'static'): Tick(5, 'vdb', 'static', 1, 0, 1),
                ('sr0', 'static'): Tick(5, 'sr0', 'static', 1, 1, 1),
            },
            found=(Mismatch(5, 'vdb', 'signature'),),
        )
        self.assertEqual(
            {
                'disk': GuestView(6, 6, ()),
                'disk.eph0': GuestView(7, 6, ('signature',)),
                'disk.config': GuestView(1, 1, ('found earlier',)),
            },
            report.guest_views(summary, self.DEVICES),
        )


class Text(unittest.TestCase):
    def test_sizes(self) -> None:
        self.assertEqual(
            ['-', '0 B', '1023 B', '1.0 KiB', '20.0 GiB', '2048.0 TiB'],
            [report.human(count) for count in (
                None, 0, 1023, 1024, 20 * GIB, 2 * 1024**5)],
        )  # fmt: skip

    def test_table(self) -> None:
        self.assertEqual(
            '+----+-------+\n'
            '| A  | B     |\n'
            '+----+-------+\n'
            '| 1  | two   |\n'
            '| 22 | three |\n'
            '+----+-------+',
            report.table(('A', 'B'), [('1', 'two'), ('22', 'three')]),
        )

    def test_disk_that_differs_is_seen(self) -> None:
        row = dataclasses.replace(ROW, sha256_after='bb')
        drawn = report.disk_table([ROW, row]).splitlines()
        self.assertTrue(drawn[3].endswith('| yes       |'))
        self.assertTrue(drawn[4].endswith('| NO        |'))
