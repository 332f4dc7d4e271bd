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

"""No work of ours holds up the service, in either concurrency mode.

Each mode gets a process of its own, the module ``heartbeat``. What is
compared is the longest pause of the service with the length of the work,
measured in one process: a slow or busy machine stretches both.
"""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import fixtures
import testtools

MIB = 1024 * 1024
APPARENT = 100 * 1024 * MIB
DATA = 384 * MIB
PIECES = 24

FRACTION = 0.25
"""Most of a work's length that the service may pause in it. Without care
it pauses for all of it."""

MORE_TIMES = 2
"""How often the works are done again if one held the service up."""


class ConcurrencyTest(testtools.TestCase):
    def disk(self) -> pathlib.Path:
        """A new directory with the large file in it."""
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        piece = bytes(range(1, 256)) * (DATA // PIECES // 255)
        with open(directory / 'large', 'wb') as large:
            for number in range(PIECES):
                large.seek(number * APPARENT // PIECES)
                large.write(piece)
            large.truncate(APPARENT)
        return directory

    def measure(self, *, native: bool) -> Any:
        done = subprocess.run(
            [
                *(sys.executable, '-m'),
                'nova_blockmig.tests.functional.heartbeat',
                str(self.disk()),
            ],
            env={
                **os.environ,
                'OS_NOVA_DISABLE_EVENTLET_PATCHING': str(native),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.addDetail(
            'output',
            testtools.content.text_content(done.stdout + done.stderr),
        )
        self.assertEqual(0, done.returncode)
        return json.loads(done.stdout.splitlines()[-1])

    def assert_goes_on(self, measured: Any, *, native: bool) -> None:
        """No work holds the service up, not each time that it is done.

        A machine that has no time for the process once looks the same.
        """
        held_up = pausing(measured)
        for _ in range(MORE_TIMES):
            if held_up:
                held_up &= pausing(self.measure(native=native))
        self.assertEqual(set(), held_up)

    def test_native_threads(self) -> None:
        measured = self.measure(native=True)
        self.assertFalse(measured['eventlet'])
        self.assert_goes_on(measured, native=True)

    def test_eventlet(self) -> None:
        measured = self.measure(native=False)
        self.assertTrue(measured['eventlet'])
        # The same work without care: this is what the test would notice.
        unguarded = measured['unguarded']
        self.assertGreater(unguarded['pause'], 0.9 * unguarded['length'])
        self.assert_goes_on(measured, native=False)


def pausing(measured: Any) -> set[str]:
    """The works that the service pauses in for long."""
    return {
        name
        for name, work in measured['works'].items()
        if work['pause'] > FRACTION * work['length']
    }
