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

import os
import pathlib
import re
import subprocess
import sys

from oslo_concurrency import processutils

from nova_blockmig.tests.unit import base


class TestNoProcess(base.TestCase):
    """Each road to a process is closed in a unit test."""

    def test_subprocess(self) -> None:
        self.assertRaises(
            base.ProcessStarted, subprocess.run, [sys.executable, '-c', '']
        )

    def test_processutils(self) -> None:
        self.assertRaises(
            base.ProcessStarted, processutils.execute, 'true', attempts=1
        )

    def test_os(self) -> None:
        self.assertRaises(base.ProcessStarted, os.system, 'true')
        self.assertRaises(base.ProcessStarted, os.fork)
        self.assertRaises(
            base.ProcessStarted, os.posix_spawn, '/bin/true', [], {}
        )


class TestEveryTest(base.TestCase):
    def test_derives_from_this_base(self) -> None:
        directory = pathlib.Path(base.__file__).parent
        other = [
            str(path.relative_to(directory))
            for path in sorted(directory.rglob('test_*.py'))
            if re.search(
                r'^class .*\b(testtools|unittest)\.(Isolated.*)?TestCase\b',
                path.read_text(),
                re.MULTILINE,
            )
        ]
        self.assertEqual([], other)
