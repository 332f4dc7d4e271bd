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

"""tools/bench itself, with sizes that say nothing and take seconds."""

import json
import os
import pathlib
import subprocess
import sys
from unittest import mock

import fixtures
import testtools

from nova_blockmig.tests.bench import machine
from nova_blockmig.tests.bench import main
from nova_blockmig.tests.bench import preparation
from nova_blockmig.tests.bench import rows
from nova_blockmig.tests.bench import streaming

BENCH = machine.CHECKOUT / 'tools' / 'bench'


class BenchTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def bench(self, *words: object) -> None:
        done = subprocess.run(
            [sys.executable, BENCH, *map(str, words)],
            env=os.environ | {'PYTHONWARNINGS': 'ignore'},
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stderr[-4000:])

    def test_rows_without_a_lab(self) -> None:
        output = self.directory / 'measured.json'
        names = ('disk-info', 'dense-base')
        self.bench(
            *('--size', 'tiny', '--turns', 2, '--output', output, *names)
        )
        found = json.loads(output.read_text())['rows']
        self.assertEqual(set(names), set(found))
        for case in found['disk-info']['cases']:
            self.assertEqual('yes', case['equal'])
            self.assertEqual(2 * case['disks'], case['nova_processes'])
            self.assertEqual(0, case['ours_processes'])
        reads = {c['when']: c['reads'] for c in found['dense-base']['cases']}
        self.assertAlmostEqual(1, reads['first migration'], delta=0.05)
        self.assertLess(reads['after both'], 0.05)

    def test_preparation(self) -> None:
        """QEMU's job apart: the program for it is not everywhere."""
        with mock.patch.object(streaming, 'flatten') as flatten:
            (case,) = preparation.run(rows.Options(size='tiny', turns=1))
        flatten.assert_called_once()
        self.assertGreater(case['inline_bytes'], 1000)
        self.assertGreater(case['copy_bytes'], case['inline_bytes'])
        # What is remembered is not read: a few bytes are /proc's own.
        self.assertLess(case['again_read_bytes'], case['read_bytes'] / 10)

    def test_the_documentation_has_what_was_measured(self) -> None:
        self.bench('--render', self.directory)
        self.assertEqual(
            {file.name: file.read_text() for file in main.TABLES.iterdir()},
            {file.name: file.read_text() for file in self.directory.iterdir()},
        )
