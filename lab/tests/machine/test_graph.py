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

"""Steps that run side by side."""

import threading

import testtools

from blocklab.machine import graph
from blocklab.machine.graph import Step


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait()


class GraphTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ran: list[str] = []

    def step(self, name: str, *needs: str) -> Step:
        return Step(lambda: self.ran.append(name), needs)

    def test_a_step_runs_after_those_that_it_needs(self) -> None:
        steps = {
            'roof': self.step('roof', 'wall'),
            'wall': self.step('wall', 'floor'),
            'floor': self.step('floor'),
        }
        graph.run(steps, width=3)
        self.assertEqual(['floor', 'wall', 'roof'], self.ran)

    def test_of_the_ready_ones_the_first_named_is_first(self) -> None:
        steps = {name: self.step(name) for name in 'cab'}
        graph.run(steps, width=1)
        self.assertEqual(['c', 'a', 'b'], self.ran)

    def test_steps_run_side_by_side(self) -> None:
        # Each waits for the other: one after the other would time out.
        meeting = threading.Barrier(2, timeout=10)
        graph.run(dict.fromkeys('ab', Step(lambda: _meet(meeting))), width=2)

    def test_after_a_failure_nothing_more_begins(self) -> None:
        def fail() -> None:
            raise ValueError('broken')

        steps = {
            'bad': Step(fail),
            'other': self.step('other'),
            'after': self.step('after', 'bad'),
        }
        error = self.assertRaises(ValueError, graph.run, steps, 1)
        self.assertEqual('broken', str(error))
        self.assertEqual([], self.ran)

    def test_an_unknown_need_is_an_error(self) -> None:
        self.assertRaises(ValueError, graph.run, {'a': self.step('a', 'b')}, 1)
