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

"""The documentation quotes messages: they must be the program's own."""

import ast
import csv
import pathlib
import re

from nova_blockmig.core import errors
from nova_blockmig.core import flag_rules
from nova_blockmig.core import known_bad
from nova_blockmig.tests.unit import base

PACKAGE = pathlib.Path(__file__).parents[2]
DOC = PACKAGE.parent / 'doc' / 'source'
PAGE = DOC / 'admin' / 'troubleshooting.rst'
FLAG_PAGE = DOC / 'configuration' / 'block-migration-flag.rst'
# Nova's words, and a name of Python's.
NOT_OURS = {'Unable to load the virtualization driver'}


def _quoted() -> list[str]:
    """The terms of the page's definition lists."""
    terms = re.findall(r'^``(.+)``$', PAGE.read_text(), re.MULTILINE)
    return [term for term in terms if term not in NOT_OURS]


def _texts(*paths: pathlib.Path) -> list[str]:
    return [
        node.value
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def _pieces(term: str) -> list[str]:
    """``...`` stands for a value."""
    return [piece for p in term.split('...') if (piece := p.strip())]


class TroubleshootingTest(base.TestCase):
    def test_every_quoted_message_exists(self) -> None:
        sources = (
            path
            for path in PACKAGE.rglob('*.py')
            if 'tests' not in path.relative_to(PACKAGE).parts
        )
        texts = _texts(*sources)
        for term in _quoted():
            for piece in _pieces(term):
                self.assertTrue(any(piece in text for text in texts), piece)

    def test_every_refusal_is_explained(self) -> None:
        """A class of core/errors.py without an entry fails."""
        source = pathlib.Path(errors.__file__)
        classes = [
            node
            for node in ast.parse(source.read_text()).body
            if isinstance(node, ast.ClassDef) and node.name != 'Refused'
        ]
        self.assertNotEqual([], classes)
        for found in classes:
            texts = [
                node.value
                for node in ast.walk(found)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
            ]
            self.assertTrue(
                any(
                    all(
                        any(piece in text for text in texts)
                        for piece in _pieces(term)
                    )
                    for term in _quoted()
                ),
                found.name,
            )


class FlagPageTest(base.TestCase):
    def test_it_says_what_the_rules_say(self) -> None:
        table = FLAG_PAGE.read_text().split('.. list-table:: Each flag')[1]
        rows = table.split('.. list-table::')[0].split('   * - ')[2:]
        said = [row.split('\n     - ') for row in rows]
        self.assertEqual(
            [(rule.flag, rule.say) for rule in flag_rules.RULES],
            [(row[0].strip('`'), row[1]) for row in said],
        )


class KnownBadTest(base.TestCase):
    def test_the_table_is_the_driver_s(self) -> None:
        """The build of the documentation writes it; it is kept beside it."""
        with open(DOC / 'admin' / 'known-bad.csv', newline='') as file:
            rows = [(row[0], *row[2:]) for row in csv.reader(file)][1:]
        self.assertEqual(
            [
                (
                    entry.product,
                    entry.when,
                    entry.consequence,
                    entry.remedy,
                    entry.action,
                    entry.source,
                )
                for entry in known_bad.TABLE
            ],
            rows,
        )
