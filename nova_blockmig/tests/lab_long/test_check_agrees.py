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

"""What check says and what the migration after it does, in random cases.

On demand, for it takes half an hour::

    BLOCKMIG_AGREEMENT_CASES=20 LABCTL_NAME=blockmig tools/run-lab-tests BIN

BLOCKMIG_AGREEMENT_SEED is the seed of another run; it is in its output.
"""

import os
import random
import sys
from typing import Any

from nova_blockmig.tests.lab import base
from nova_blockmig.tests.lab import test_resource_check as small

CASES = int(os.environ.get('BLOCKMIG_AGREEMENT_CASES', '20'))
SEED = int(os.environ.get('BLOCKMIG_AGREEMENT_SEED', '20261128'))
MIB = 1 << 20


class AgreementTest(small.SmallDestinationTestCase):
    """Two paused guests go there and back, or are refused."""

    def check(self, instance: Any, host: str) -> Any:
        """What check says of one host."""
        code, line = self.ask(instance, host)
        self.assertIn(code, (0, 1))
        self.assertEqual(code == 0, line['result'] == 'fits')
        return line

    def room(self, instance: Any, chance: random.Random) -> str:
        """Leave a random room around what the disks need."""
        virtual, allocated = self.need(instance)
        self.there.leave_all()
        kind = chance.choice(('much', 'just', 'short', 'allocated only'))
        if kind == 'just':
            self.there.leave(small.RESERVED + virtual + 300 * MIB)
        elif kind == 'short':
            short = chance.randrange(1, 500) * MIB
            self.there.leave(small.RESERVED + virtual - short)
        elif kind == 'allocated only':
            self.there.leave(small.RESERVED + allocated + 8 * MIB)
        return kind

    def one(self, number: int, instance: Any, chance: random.Random) -> bool:
        """One case; whether both said the same."""
        destination = self.other(instance.host_name)
        kind = 'home'
        if destination == base.DESTINATION:
            kind = self.room(instance, chance)
        obstacle = chance.random() < 0.25
        if obstacle:
            self.monitor(instance, 'savevm obstacle')
        asked = self.check(instance, destination)
        try:
            ended = instance.migrate(destination)
        finally:
            if obstacle:
                self.monitor(instance, 'delvm obstacle')
        agree = bool(ended.completed) is (asked['result'] == 'fits')
        print(
            f'case {number}: {kind}, {"a" if obstacle else "no"} snapshot: '
            f'check says {asked["result"]} ({asked["reason"]}), the '
            f'migration is {ended.status}: '
            f'{"agreed" if agree else "NOT AGREED"}',
            file=sys.stderr, flush=True,
        )  # fmt: skip
        return agree

    def test_check_and_migration_agree(self) -> None:
        chance = random.Random(SEED)  # noqa: S311 - no secret
        self.there = self.small('blockmig')
        guests = [self.boot(small.FLAVOR) for _ in range(2)]
        for guest in guests:
            guest.pause()
        agreed = [
            self.one(number, chance.choice(guests), chance)
            for number in range(1, CASES + 1)
        ]
        print(f'seed {SEED}: {sum(agreed)} of {CASES} agreed', file=sys.stderr)
        self.assertEqual(CASES, sum(agreed))
