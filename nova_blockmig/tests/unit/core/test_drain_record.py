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

from nova_blockmig.core import drain_record
from nova_blockmig.core import journey_text
from nova_blockmig.core import migration_progress
from nova_blockmig.core import report_page
from nova_blockmig.core import servers
from nova_blockmig.core import terminal_text
from nova_blockmig.tests.unit import base

State = drain_record.State


def record() -> drain_record.Record:
    journey = drain_record.Journey(began=1000.0)
    for name, state in (
        ('数据库<1>', State.MOVED),
        ('web', State.MOVING),
        ('broken', State.FAILED),
    ):
        entry = journey.add(
            servers.Server(
                name, name, 'ACTIVE', 'server2', memory_mb=1024, disk_gb=10
            )
        )
        entry.state = state
        entry.attempts.append(
            drain_record.Attempt('server2', 'server-01', 'live', 1010.0)
        )
    broken = journey.entries['broken']
    broken.reason = broken.attempts[0].reason = 'does not fit'
    broken.attempts[0].ended = 1020.0
    journey.entries['数据库<1>'].attempts[0].ended = 1070.0
    return drain_record.Record('server2', 'nova-blockmig drain', journey)


class TestRecord(base.TestCase):
    def test_what_is_written_is_read(self) -> None:
        written = record()
        self.assertEqual(written, drain_record.from_json(written.to_json()))
        written.restore = drain_record.Journey(5.0, 6.0)
        self.assertEqual(written, drain_record.from_json(written.to_json()))

    def test_other_files_are_told_apart(self) -> None:
        good = json.loads(record().to_json())
        damaged = dict(good)
        del damaged['drain']
        for text in (
            '', '[]', '{}', json.dumps(good | {'version': 99}),
            json.dumps(damaged), json.dumps(good | {'drain': 7}),
        ):  # fmt: skip
            self.assertRaises(ValueError, drain_record.from_json, text)

    def test_what_moves_is_not_asked_for_again(self) -> None:
        journey = record().drain
        journey.again()
        self.assertEqual(
            {State.MOVED: 1, State.MOVING: 1, State.PLANNED: 1},
            drain_record.totals(journey.entries.values()),
        )


class TestText(base.TestCase):
    def test_every_width(self) -> None:
        journey = record().drain
        running = {
            'web': migration_progress.Migration(
                1, 'u', 'web', 'running', 'server2', 'server-01',
                disks=migration_progress.Amount(100, 30),
            )
        }  # fmt: skip
        for columns in (39, 79, 200):
            lines = journey_text.live_lines(journey, running, columns)
            self.assertEqual(2, len(lines))
            for line in lines:
                self.assertLessEqual(terminal_text.columns_of(line), columns)
            self.assertIn(' 70 %', lines[1])
        self.assertEqual('1 moving, 1 moved, 1 failed', lines[0])


class TestReport(base.TestCase):
    def test_the_page(self) -> None:
        page = report_page.page(record(), now=1100.0)
        self.assertIn('数据库&lt;1&gt;', page)
        self.assertNotIn('数据库<1>', page)
        self.assertIn('does not fit', page)
        self.assertEqual(3, page.count('<rect '))
        self.assertNotIn('<script', page)
        self.assertNotIn('http', page)
        self.assertNotIn('<h2>Restore', page)

    def test_the_bars_are_where_the_times_are(self) -> None:
        """760 pixels would be 90 s, less ten at the edge."""
        page = report_page.page(record(), now=1100.0)
        self.assertIn('x="200.0" y="4" width="500.0"', page)
        self.assertIn('x="200.0" y="28" width="750.0"', page)
        self.assertIn('x="200.0" y="52" width="83.3"', page)

    def test_the_way_back(self) -> None:
        both = record()
        both.restore = drain_record.Journey(2000.0, 2001.0)
        page = report_page.page(both, now=2100.0)
        self.assertIn('<h2>Restore', page)
        self.assertIn('ended 1970-01-01 00:33:21 UTC', page)
