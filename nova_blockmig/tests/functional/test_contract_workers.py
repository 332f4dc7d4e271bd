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

"""Workers that run tests in processes, some of which do not come back."""

import os
import pathlib
import sys
import time

import fixtures
import testtools

from nova_blockmig.tests.contract import environment
from nova_blockmig.tests.contract import workers

TESTS = """
import os
import time
import unittest


class Tests(unittest.TestCase):
    def test_a_passes(self):
        pass

    def test_b_hangs(self):
        time.sleep(3600)

    def test_c_fails(self):
        self.fail('as it should')

    def test_d_ends_the_process(self):
        os._exit(3)

    def test_e_passes(self):
        pass

    def test_f_is_not_wanted(self):
        pass
"""


class WorkerTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.ready = environment.Environment(
            release='2026.2',
            python=pathlib.Path(sys.executable),
            tree=self.directory,
        )
        # Far more than a process needs to start on a busy machine.
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.tests.contract.workers.SILENCE', 20.0
            )
        )

    def worker(self, tests: str) -> workers.Worker:
        (self.directory / 'made_up_tests.py').write_text(tests)
        suite = workers.Suite(('made_up_tests',), exclude='not_wanted')
        worker = workers.Worker(
            self.ready, suite, None, self.directory / 'records', os.environ
        )
        self.addCleanup(worker.stop)
        return worker

    def run_to_its_end(self, worker: workers.Worker) -> None:
        while not worker.finished():
            time.sleep(0.1)

    def test_every_test_is_run(self) -> None:
        worker = self.worker(TESTS)
        self.run_to_its_end(worker)
        self.assertEqual(
            {
                'test_a_passes': 'pass',
                'test_b_hangs': 'hung',
                'test_c_fails': 'fail',
                'test_d_ends_the_process': 'died',
                'test_e_passes': 'pass',
            },
            {
                test.rpartition('.')[2]: outcome.status
                for test, outcome in worker.outcomes().items()
            },
        )

    def test_tests_that_cannot_be_imported(self) -> None:
        worker = self.worker('import nothing_of_that_name')
        error = self.assertRaises(
            environment.CouldNotRun, self.run_to_its_end, worker
        )
        self.assertIn('nothing_of_that_name', str(error))
