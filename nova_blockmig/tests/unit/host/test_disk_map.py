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
"""Tests of asking qemu-img what of a disk is there."""

import io
import json
import sys
from unittest import mock

import fixtures
from oslo_concurrency import processutils

from nova_blockmig.core import extents
from nova_blockmig.host import disk_map
from nova_blockmig.tests.unit import base

LINE = (
    '[{"start": 0, "length": 65536, "depth": 0, "zero": false, "data": true}]'
)
FOUND = extents.Extents(65536, 65536, 65536, 65536, 65536)


class LookTest(base.TestCase):
    def look(self, **said):
        execute = mock.Mock(**said)
        self.useFixture(
            fixtures.MockPatchObject(processutils, 'execute', execute)
        )
        found = disk_map.look('/a/disk', 'qcow2')
        (self.command, self.options) = execute.call_args
        return found

    def test_a_process_of_its_own_with_limits(self):
        self.assertEqual(
            FOUND,
            self.look(return_value=(json.dumps(vars(FOUND)), '')),
        )
        self.assertEqual(
            (sys.executable, '-m', 'nova_blockmig.host.disk_map', '/a/disk',
             'qcow2'),
            self.command,
        )  # fmt: skip
        self.assertEqual(30, self.options['prlimit'].cpu_time)

    def test_unknown_where_it_fails(self):
        failed = processutils.ProcessExecutionError(exit_code=1)
        self.assertIsNone(self.look(side_effect=failed))
        self.assertIsNone(self.look(side_effect=FileNotFoundError()))
        self.assertIsNone(self.look(return_value=('', '')))


class MainTest(base.TestCase):
    def main(self, text, code):
        process = mock.MagicMock(stdout=io.StringIO(text), returncode=code)
        process.__enter__.return_value = process
        popen = self.useFixture(
            fixtures.MockPatchObject(
                disk_map.subprocess, 'Popen', return_value=process
            )
        ).mock
        out = self.useFixture(fixtures.StringStream('out')).stream
        self.useFixture(fixtures.MonkeyPatch('sys.stdout', out))
        ended = disk_map.main('/a/disk', 'raw')
        (self.command,), _ = popen.call_args
        out.seek(0)
        return ended, out.read()

    def test_the_sum(self):
        code, said = self.main(LINE, 0)
        self.assertEqual((0, vars(FOUND)), (code, json.loads(said)))
        self.assertEqual(['-f', 'raw', '/a/disk'], self.command[-3:])

    def test_qemu_img_fails(self):
        self.assertEqual((1, ''), self.main('', 1))
