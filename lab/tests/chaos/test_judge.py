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

"""The judge: each thing that can be wrong is found, and nothing else."""

import dataclasses
from typing import Any
import unittest

from blocklab.chaos import judge

WELL = judge.Observed(
    active=('a',),
    defined=('a',),
    host='a',
    status='ACTIVE',
    task=None,
    allocations=('a',),
    bindings={'a': ('ACTIVE',)},
    left={'b': ()},
)


class ProblemsTest(unittest.TestCase):
    def problems(self, *, guest_may_die: bool = False, **what: Any) -> str:
        seen = dataclasses.replace(WELL, **what)
        return '; '.join(judge.problems(seen, guest_may_die=guest_may_die))

    def test_none(self) -> None:
        self.assertEqual('', self.problems())
        self.assertEqual('', self.problems(status='PAUSED'))

    def test_it_runs_twice(self) -> None:
        found = self.problems(active=('a', 'b'), defined=('a', 'b'))
        self.assertIn('runs on a and on b', found)

    def test_it_runs_nowhere(self) -> None:
        found = self.problems(active=(), status='SHUTOFF')
        self.assertEqual('the guest runs nowhere', found)

    def test_it_was_killed_and_nova_knows(self) -> None:
        self.assertEqual(
            '',
            self.problems(active=(), status='SHUTOFF', guest_may_die=True),
        )

    def test_it_was_killed_and_nova_does_not_know(self) -> None:
        self.assertIn(
            'ACTIVE for a guest that is off',
            self.problems(active=(), guest_may_die=True),
        )

    def test_it_runs_elsewhere(self) -> None:
        found = self.problems(
            active=('b',), defined=('b',), left={'b': ()}
        )  # fmt: skip
        self.assertIn('Nova has the guest on a, it runs on b', found)

    def test_error_though_it_runs(self) -> None:
        self.assertEqual('Nova shows ERROR', self.problems(status='ERROR'))
        self.assertEqual('Nova shows SHUTOFF', self.problems(status='SHUTOFF'))

    def test_a_task_that_does_not_end(self) -> None:
        self.assertIn('task migrating', self.problems(task='migrating'))

    def test_allocations(self) -> None:
        self.assertIn(
            'on a, b, not on a', self.problems(allocations=('a', 'b'))
        )
        self.assertIn('on no host', self.problems(allocations=()))
        self.assertIn(
            'of a migration on a', self.problems(migration_allocations=('a',))
        )

    def test_bindings(self) -> None:
        self.assertEqual('', self.problems(bindings={}))
        self.assertIn(
            'still bound to b',
            self.problems(bindings={'a': ('ACTIVE',), 'b': ('INACTIVE',)}),
        )
        self.assertIn(
            'not active', self.problems(bindings={'a': ('INACTIVE',)})
        )
        self.assertIn(
            'no port is bound to a', self.problems(bindings={'b': ('ACTIVE',)})
        )

    def test_leftovers(self) -> None:
        found = self.problems(left={'b': ('u', 'u/1', 'u/2', 'u/3')})
        self.assertEqual('left on b: u, u/1, u/2 and 1 more', found)
        self.assertIn('libvirt on b still', self.problems(defined=('a', 'b')))
        self.assertIn('on its way', self.problems(marks=('u/mark',)))


class DifferingTest(unittest.TestCase):
    def test_each_way(self) -> None:
        before = {'disk': '1', 'disk.swap': '2', 'disk.eph0': '3'}
        self.assertEqual('', judge.differing(before, dict(before)))
        after = {'disk': '1', 'disk.swap': 'x', 'disk.config': '4'}
        self.assertEqual(
            'disk.config, disk.eph0, disk.swap',
            judge.differing(before, after),
        )
