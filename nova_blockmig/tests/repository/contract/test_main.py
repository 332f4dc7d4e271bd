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

import contextlib
import io
import textwrap

from nova_blockmig.tests.contract import compare
from nova_blockmig.tests.contract import main
from nova_blockmig.tests.unit import base


class ShowTest(base.TestCase):
    def show(self, findings, verbose=False):
        in_tree = {name: compare.Outcome('pass') for name in 'abc'}
        ours = {
            'a': compare.Outcome('pass'),
            'b': compare.Outcome('fail'),
            'c': compare.Outcome('skip'),
        }
        with contextlib.redirect_stdout(io.StringIO()) as output:
            main.show(in_tree, ours, findings, verbose)
        return output.getvalue()

    def finding(self, kind=compare.Kind.DIFFERS):
        return compare.Finding(kind, 'b', 'pass', 'fail', 'Trace\nError: x')

    def test_a_difference(self):
        self.assertEqual(
            textwrap.dedent("""\
                differs: b
                    in-tree pass, ours fail
                    Error: x
                          tests    pass    fail    skip
                in-tree       3       3       0       0
                ours          3       1       1       1
                Totals of the contract
                 - Passed: 1
                 - Skipped: 1
                 - Failed: 1
                """),
            self.show([self.finding()]),
        )

    def test_an_allowed_difference_counts_as_passed(self):
        output = self.show([self.finding(compare.Kind.ALLOWED)])
        self.assertIn(' - Passed: 2\n', output)
        self.assertIn(' - Failed: 0\n', output)
        self.assertIn('    Trace\n    Error: x\n', output)

    def test_verbose(self):
        self.assertIn(
            '    Trace\n    Error: x\n', self.show([self.finding()], True)
        )


class ArgumentsTest(base.TestCase):
    def test_an_unknown_release(self):
        with contextlib.redirect_stderr(io.StringIO()) as output:
            error = self.assertRaises(SystemExit, main.main, ['2024.2'])
        self.assertEqual(2, error.code)
        self.assertIn('2026.2', output.getvalue())
