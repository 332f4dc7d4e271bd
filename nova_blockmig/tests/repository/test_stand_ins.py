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

"""How much the unit tests put in the place of objects without their shape.

A mock without a specification, or a namespace, has whatever a test asks of
it, also what Nova has renamed. ``tests/unit/compute/nova_objects.py`` has real
objects of Nova's and mocks that know the attributes of theirs.
"""

import ast
from collections.abc import Iterator
import pathlib

from nova_blockmig.tests import unit
from nova_blockmig.tests.unit import base

LIMIT = 49
"""Most of them are callables and stand-ins of the module libvirt."""

_MOCKS = ('Mock', 'MagicMock', 'NonCallableMock', 'NonCallableMagicMock')


def shapeless(source: str) -> Iterator[int]:
    """The lines that make one."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition('.')[2]
        given = {keyword.arg for keyword in node.keywords}
        if name == 'SimpleNamespace' or (
            name in _MOCKS and not given & {'spec', 'spec_set', 'wraps'}
        ):
            yield node.lineno


class StandInsTest(base.TestCase):
    def test_there_are_no_more_than_there_were(self) -> None:
        directory = pathlib.Path(unit.__file__).parent
        found = [
            f'{path.relative_to(directory)}:{line}'
            for path in sorted(directory.rglob('*.py'))
            for line in shapeless(path.read_text())
        ]
        self.assertLessEqual(len(found), LIMIT, '\n'.join(found))
        self.assertEqual(LIMIT, len(found), 'lower the limit')

    def test_what_counts(self) -> None:
        for call, count in (
            ('mock.Mock()', 1),
            ('MagicMock(return_value=1)', 1),
            ('types.SimpleNamespace(a=1)', 1),
            ("mock.Mock(spec=['a'])", 0),
            ('mock.create_autospec(Guest, instance=True)', 0),
            ('f(mock.Mock(), [SimpleNamespace()])', 2),
        ):
            self.assertEqual(count, len(list(shapeless(call))), call)
