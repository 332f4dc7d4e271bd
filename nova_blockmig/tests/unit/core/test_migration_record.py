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

import json

from hypothesis import given
from hypothesis import strategies as st

from nova_blockmig.core import migration_record
from nova_blockmig.tests.unit import base

RECORD = migration_record.MigrationRecord(
    instance='2e22a247-9bb3-486c-bb55-9c9787d9c30f',
    source='server2',
    destination='server-01',
    result='failed',
    reason='No space left on device',
    seconds=12.5,
    downtime_ms=140,
    disks=(
        migration_record.DiskRecord('disk', 'fetch', 217 * 2**20, 9.25),
        migration_record.DiskRecord('disk.config', 'inline'),
    ),
)


class MigrationRecordTest(base.TestCase):
    def test_a_line_of_the_log(self):
        line = (
            '2026-11-25 14:00:00.000 7 INFO nova_blockmig.compute.record '
            '[req-1 - -] [instance: 2e22] ' + RECORD.to_line() + '\n'
        )
        self.assertEqual(RECORD, migration_record.read(line))

    def test_one_line(self):
        record = migration_record.MigrationRecord(
            'i', 's', 'd', 'failed', 1.0, reason='first\nsecond'
        )
        self.assertNotIn('\n', record.to_line())
        self.assertEqual(record, migration_record.read(record.to_line()))

    @given(st.text(), st.text())
    def test_whatever_it_says(self, reason, name):
        record = migration_record.MigrationRecord(
            'i', 's', 'd', 'failed', 1.0, reason=reason,
            disks=(migration_record.DiskRecord(name, 'copy'),),
        )  # fmt: skip
        self.assertEqual(record, migration_record.read(record.to_line()))

    def test_other_lines(self):
        for line in (
            '',
            'Resource check: fits',
            migration_record.PREFIX,
            migration_record.PREFIX + '{"version": 1}',
            migration_record.PREFIX + '[]',
            migration_record.PREFIX + '{"disks": [5]}',
            RECORD.to_line()[:-9],
        ):
            self.assertIsNone(migration_record.read(line), line)

    def test_an_arrival(self):
        record = migration_record.ArrivalRecord(
            'i', 's', 'd', 140, 132, 'uuid', 5.5
        )
        line = f'2026 INFO nova [req-1] {record.to_line()}'
        self.assertEqual(record, migration_record.read_arrival(line))
        newer = line.replace('{', '{"new": 1, ')
        self.assertEqual(record, migration_record.read_arrival(newer))
        # Each of the two is only what it is.
        self.assertIsNone(migration_record.read(line))
        self.assertIsNone(migration_record.read_arrival(RECORD.to_line()))
        for line in (
            '',
            migration_record.ARRIVAL_PREFIX,
            migration_record.ARRIVAL_PREFIX + '{"instance": "i"}',
            migration_record.ARRIVAL_PREFIX + '[]',
        ):
            self.assertIsNone(migration_record.read_arrival(line), line)

    def test_the_words_of_a_downtime(self):
        said = migration_record.stood_still(1040)
        self.assertEqual(1040, migration_record.read_stood_still(said))
        for text in ('', 'No host', f'{said}!', said.replace('1040', 'many')):
            self.assertIsNone(migration_record.read_stood_still(text), text)

    def test_keys_of_a_newer_version(self):
        fields = json.loads(RECORD.to_line().removeprefix(
            migration_record.PREFIX))  # fmt: skip
        fields['new'] = fields['disks'][0]['new'] = 1
        line = migration_record.PREFIX + json.dumps(fields)
        self.assertEqual(RECORD, migration_record.read(line))
