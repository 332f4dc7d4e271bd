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

from typing import Any

from nova_blockmig.core import migration_progress
from nova_blockmig.core import migration_record
from nova_blockmig.core import past_migrations
from nova_blockmig.tests.unit import base


def nova(
    number: int, status: str = 'completed'
) -> migration_progress.Migration:
    return migration_progress.Migration(
        number, f'u{number}', 'vm', status, 'a', 'b'
    )


def line(result: str, seconds: float, **more: Any) -> str:
    record = migration_record.MigrationRecord(
        'vm', 'a', 'b', result, seconds, **more
    )
    return f'INFO {record.to_line()}'


class TestPast(base.TestCase):
    def seconds(self, past: list[Any], *lines: str) -> dict[int, float]:
        logged = past_migrations.in_lines(lines)
        found = past_migrations.matched(past, logged)
        return {number: record.seconds for number, record in found.items()}

    def test_the_latest_belongs_to_the_latest(self) -> None:
        past = [nova(3), nova(2), nova(1)]
        lines = line('completed', 20.0), 'else', line('completed', 30.0)
        self.assertEqual({3: 30.0, 2: 20.0}, self.seconds(past, *lines))

    def test_who_was_refused_has_no_line(self) -> None:
        past = [nova(3), nova(2, 'error'), nova(1)]
        lines = line('completed', 10.0), line('completed', 30.0)
        self.assertEqual({3: 30.0, 1: 10.0}, self.seconds(past, *lines))

    def test_other_ways_do_not_mix(self) -> None:
        past = [
            migration_progress.Migration(2, 'u', 'vm', 'completed', 'b', 'a')
        ]
        self.assertEqual({}, self.seconds(past, line('completed', 1.0)))

    def test_a_line_that_names_the_record(self) -> None:
        past = [nova(3), nova(2), nova(1, 'error')]
        lines = (
            line('failed', 1.0, migration='u1'),
            line('completed', 20.0, migration='u2'),
            line('completed', 9.0, migration='forgotten'),
        )
        self.assertEqual({2: 20.0, 1: 1.0}, self.seconds(past, *lines))

    def test_the_downtime_is_in_the_destinations_line(self) -> None:
        def arrival(migration: str, downtime: int | None) -> str:
            return migration_record.ArrivalRecord(
                'vm', 'a', 'b', downtime, migration=migration
            ).to_line()

        logged = past_migrations.in_lines(
            [
                arrival('u1', 140),
                line('completed', 1.0, migration='u1'),
                line('completed', 2.0, migration='u2', downtime_ms=7),
                line('completed', 3.0),
                line('completed', 4.0, migration='u3'),
                arrival('u2', 9),
                arrival('', 11),
                arrival('u3', None),
            ]
        )
        (records,) = logged.values()
        self.assertEqual(
            [140, 7, None, None], [record.downtime_ms for record in records]
        )

    def test_what_nova_has_forgotten(self) -> None:
        logged = past_migrations.in_lines(
            [
                line('completed', 1.0),
                line('completed', 2.0, migration='u2', ended=100.0),
                line('failed', 3.0, migration='u3', ended=50.0),
                line('failed', 4.0, migration='u4', ended=200.0),
            ]
        )
        found = past_migrations.matched([nova(2)], logged)
        left = past_migrations.unmatched(logged, found.values())
        self.assertEqual(['u4', 'u3'], [record.migration for record in left])
        self.assertEqual(196.0, past_migrations.begun(left[0]))
