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

"""tools/update-constraints, which has no .py in its name."""

import testtools

from nova_blockmig.tests.repository import tools
from nova_blockmig.tests.unit import base

TOOL = tools.load('update-constraints')
UPPER = """\
# a comment
Sphinx===7.4.7;python_version=='3.9'
Sphinx===8.1.3;python_version>='3.10'
async_timeout===5.0.1;python_version<'3.12'
oslo.utils===8.2.0
"""


class PreferencesTest(base.TestCase):
    def test_markers_hold_for_one_python(self) -> None:
        self.assertEqual(
            {'sphinx': '8.1.3', 'oslo-utils': '8.2.0'},
            TOOL.preferences(UPPER, '3.13'),
        )
        self.assertEqual(
            {
                'sphinx': '8.1.3',
                'async-timeout': '5.0.1',
                'oslo-utils': '8.2.0',
            },
            TOOL.preferences(UPPER, '3.11'),
        )

    def test_unknown_marker(self) -> None:
        with testtools.ExpectedException(SystemExit, '.*cannot read'):
            TOOL.preferences("a===1;sys_platform=='win32'", '3.11')


class MergedTest(base.TestCase):
    def test_same_pins_are_one_line(self) -> None:
        self.assertEqual(
            ['a==1', 'b==2'],
            TOOL.merged({'3.11': {'b': '2', 'a': '1'}, '3.13': {'b': '2'}}),
        )

    def test_what_the_newer_python_alone_needs(self) -> None:
        self.assertEqual(
            ['legacy-cgi==2.6'],
            TOOL.merged({'3.11': {}, '3.13': {'legacy-cgi': '2.6'}}),
        )

    def test_unlike_pins_get_markers(self) -> None:
        self.assertEqual(
            [
                "a==1; python_version < '3.13'",
                "a==2; python_version >= '3.13'",
            ],
            TOOL.merged({'3.11': {'a': '1'}, '3.13': {'a': '2'}}),
        )

    def test_three_pythons(self) -> None:
        self.assertEqual(
            [
                "python_version < '3.12'",
                "python_version >= '3.12' and python_version < '3.13'",
                "python_version >= '3.13'",
            ],
            TOOL.spans(['3.11', '3.12', '3.13']),
        )
