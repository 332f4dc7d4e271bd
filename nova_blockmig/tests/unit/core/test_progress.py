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

from hypothesis import given
from hypothesis import strategies as st

from nova_blockmig.core import progress
from nova_blockmig.tests.unit import base

SIZES = st.integers(0, 2**44)
JOBS = st.builds(
    lambda a, b: progress.Progress(min(a, b), max(a, b)), SIZES, SIZES
)


class ProgressTest(base.TestCase):
    def test_left(self):
        self.assertEqual(60, progress.Progress(40, 100).left_bytes)

    def test_finished(self):
        self.assertEqual(
            progress.Progress(100, 100), progress.Progress(40, 100).finished()
        )

    def test_the_sum_of_all_disks(self):
        parts = [progress.Progress(1, 10), progress.Progress(2, 20)]
        self.assertEqual(
            progress.Progress(3, 30),
            progress.overall(progress.Progress(), parts),
        )

    def test_a_job_that_has_ended_still_counts(self):
        before = progress.Progress(9, 10)
        self.assertEqual(before, progress.overall(before, []))

    @given(st.lists(st.lists(JOBS, max_size=3), max_size=9))
    def test_neither_figure_falls_and_done_is_at_most_all(self, polls):
        shown = progress.Progress()
        for parts in polls:
            found = progress.overall(shown, parts)
            self.assertGreaterEqual(found.done_bytes, shown.done_bytes)
            self.assertGreaterEqual(found.total_bytes, shown.total_bytes)
            self.assertLessEqual(found.done_bytes, found.total_bytes)
            shown = found
