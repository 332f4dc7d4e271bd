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

"""Two cells of the fault matrix; tools/chaos runs the others.

A user's abort and a restart of libvirtd in mid-copy: the guest goes on, and
nothing is left that keeps the next attempt from completing.
"""

import dataclasses

from blocklab.chaos import matrix
from blocklab.chaos import outcome
from blocklab.chaos import run
from blocklab.commands import reset
from nova_blockmig.tests.lab import base

CELLS = ('copy:abort', 'copy:libvirtd-source')
SEED = 1


class ShortSelectionTest(base.LabTestCase):
    def test_an_abort_and_a_restart_of_libvirtd(self) -> None:
        self.use()
        self.addCleanup(reset.reset, self.lab)
        found: dict[str, dict[str, object]] = {}

        def done(result: outcome.Result) -> None:
            found[result.cell] = dataclasses.asdict(result)

        run.run_cells(
            matrix.chosen(CELLS, 'blockmig'),
            'blockmig',
            SEED,
            ready=lambda settings: self.lab,
            done=done,
        )
        self.assertEqual(
            dict.fromkeys(CELLS, outcome.GOOD),
            {cell: outcome.verdict(result) for cell, result in found.items()},
            str(found),
        )
