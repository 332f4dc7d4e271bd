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

import random

from nova_blockmig.core import drain_plan
from nova_blockmig.core import errors
from nova_blockmig.core import migration_progress
from nova_blockmig.core import servers
from nova_blockmig.tests.unit import base


def server(
    name: str, status: str = 'ACTIVE', **more: object
) -> servers.Server:
    fields: dict[str, object] = {'memory_mb': 1024, 'disk_gb': 10, **more}
    return servers.Server(name, name, status, 'server2', **fields)  # type: ignore[arg-type]


def room(host: str, memory_mb: int = 8192, disk_gb: int = 100) -> servers.Room:
    return servers.Room(host, memory_mb, 16, disk_gb)


ROOMS = {'a': room('a'), 'b': room('b', 4096)}


class TestWay(base.TestCase):
    def test_every_status(self) -> None:
        for status, way, word in (
            ('ACTIVE', servers.Way.LIVE, ''),
            ('PAUSED', servers.Way.LIVE, ''),
            ('SHUTOFF', servers.Way.STAYS, '--cold'),
            ('SUSPENDED', servers.Way.STAYS, 'resume'),
            ('RESCUE', servers.Way.STAYS, 'unrescue'),
            ('ERROR', servers.Way.STAYS, 'fault'),
            ('VERIFY_RESIZE', servers.Way.STAYS, 'confirm'),
            ('SHELVED', servers.Way.STAYS, 'offload'),
            ('UNKNOWN', servers.Way.STAYS, 'UNKNOWN'),
        ):
            found, reason = servers.way(server('vm', status), cold=False)
            self.assertIs(way, found, status)
            self.assertIn(word, reason)

    def test_one_that_nova_is_busy_with(self) -> None:
        found, reason = servers.way(server('vm', task='spawning'), cold=True)
        self.assertIs(servers.Way.WAITS, found)
        self.assertIn('spawning', reason)

    def test_cold(self) -> None:
        off = server('vm', 'SHUTOFF')
        self.assertEqual((servers.Way.COLD, ''), servers.way(off, cold=True))

    def test_an_ephemeral_disk_does_not_move_cold(self) -> None:
        off = server('vm', 'SHUTOFF', ephemeral_gb=1)
        found, reason = servers.way(off, cold=True)
        self.assertIs(servers.Way.STAYS, found)
        self.assertIn('ephemeral', reason)


class TestPlan(base.TestCase):
    def test_where_most_is_left(self) -> None:
        (step,) = drain_plan.plan([server('vm')], ROOMS, cold=False)
        self.assertEqual('a', step.destination)

    def test_the_plan_counts_itself(self) -> None:
        going = [server(f'vm{n}', memory_mb=4096) for n in range(4)]
        steps = drain_plan.plan(going, ROOMS, cold=False)
        self.assertEqual(
            ['a', 'b', 'a', ''], [step.destination for step in steps]
        )
        self.assertEqual(
            'no host has enough free resources: a lacks memory, '
            'b lacks memory',
            steps[-1].reason,
        )

    def test_those_that_stay_come_last(self) -> None:
        going = [server('big', 'ERROR', memory_mb=4096), server('small')]
        steps = drain_plan.plan(going, ROOMS, cold=False)
        self.assertEqual(['small', 'big'], [s.server.name for s in steps])
        self.assertFalse(steps[1].moves)

    def test_not_where_it_was_tried(self) -> None:
        (step,) = drain_plan.plan(
            [server('vm')], ROOMS, cold=False, tried={'vm': ['a']}
        )
        self.assertEqual('b', step.destination)
        (step,) = drain_plan.plan(
            [server('vm')], ROOMS, cold=False, tried={'vm': ['a', 'b']}
        )
        self.assertEqual('all other hosts have been tried', step.reason)

    def test_nowhere_to_go(self) -> None:
        (step,) = drain_plan.plan([server('vm')], {}, cold=False)
        self.assertIn('no other compute host', step.reason)

    def test_what_is_not_known_is_no_obstacle(self) -> None:
        rooms = {'a': servers.Room('a')}
        (step,) = drain_plan.plan([server('vm')], rooms, cold=False)
        self.assertTrue(step.moves)

    def test_many_hosts_are_not_all_named(self) -> None:
        rooms = {f'h{n:03}': room(f'h{n:03}', 1) for n in range(500)}
        (step,) = drain_plan.plan([server('vm')], rooms, cold=False)
        self.assertTrue(step.reason.endswith('and 497 more'))

    def test_no_host_is_ever_overfilled(self) -> None:
        for seed in range(200):
            some = random.Random(seed)  # noqa: S311
            self.assert_fits(
                [
                    server(
                        f'vm{number}',
                        memory_mb=some.randint(1, 9000),
                        disk_gb=some.randint(0, 90),
                    )
                    for number in range(some.randint(0, 12))
                ]
            )

    def assert_fits(self, going: list[servers.Server]) -> None:
        steps = drain_plan.plan(going, ROOMS, cold=False)
        self.assertEqual(len(going), len(steps))
        for host, there in ROOMS.items():
            mine = [s.server for s in steps if s.destination == host]
            self.assertLessEqual(
                sum(each.memory_mb for each in mine), there.memory_mb or 0
            )
            self.assertLessEqual(
                sum(each.disk_gb for each in mine), there.disk_gb or 0
            )


class TestElsewhere(base.TestCase):
    def test_what_is_of_the_source_is_the_same_everywhere(self) -> None:
        for refusal in (
            errors.DisksCannotMigrate('server2', []),
            errors.FlattenFailed('disk', 'no'),
            errors.WouldBeLost(['snapshot s of disk']),
            errors.NeverResumed('id', ['disk.config']),
            errors.SourceUnreadable('disk', '/x', 'no'),
            errors.InTreeSource('server2', ['disk.swap']),
            errors.UnknownBase('server2', 'disk', 'base'),
        ):
            self.assertFalse(drain_plan.worth_trying_elsewhere(str(refusal)))

    def test_what_is_of_the_destination_is_not(self) -> None:
        for reason in ('does not fit on server-01: RAM', 'No valid host'):
            self.assertTrue(drain_plan.worth_trying_elsewhere(reason))


class TestTime(base.TestCase):
    def past(self, *seconds: float) -> list[migration_progress.Migration]:
        return [
            migration_progress.Migration(
                1, 'u', 's', 'completed', 'a', 'b', created=100.0,
                updated=100.0 + taken,
            )
            for taken in seconds
        ]  # fmt: skip

    def test_the_middle_half(self) -> None:
        past = self.past(1, 10, 12, 14, 16, 18, 20, 900)
        self.assertEqual((24, 36), drain_plan.time_needed(past, 4, 2))

    def test_no_past(self) -> None:
        self.assertIsNone(drain_plan.time_needed([], 4, 2))
        self.assertIsNone(drain_plan.time_needed(self.past(1), 0, 2))
