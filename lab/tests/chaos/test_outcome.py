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

"""The verdict on a cell, and the row it becomes."""

import dataclasses
from typing import Any
import unittest

from blocklab.chaos import outcome

RESULT = dataclasses.asdict(
    outcome.Result(
        cell='copy:link-30s',
        driver='blockmig',
        seed=7,
        date='2026-01-02',
        versions={'nova': '34.0.0', 'libvirt': '9.0.0', 'qemu': '7.2.0'},
        hit=True,
        migration='failed',
        again='completed',
    )
)


def with_(**changes: Any) -> dict[str, Any]:
    return RESULT | changes


class VerdictTest(unittest.TestCase):
    def test_each(self) -> None:
        for expected, changes in (
            ('good', {}),
            ('missed', {'hit': False, 'lost': ('x',)}),
            ('lost', {'lost': ('x',)}),
            ('broken', {'again': 'failed', 'problems': ('x',)}),
            ('broken', {'again': ''}),
            ('debris', {'problems': ('x',)}),
        ):
            self.assertEqual(expected, outcome.verdict(with_(**changes)))


class RowsTest(unittest.TestCase):
    def test_a_row(self) -> None:
        (row,) = outcome.rows([with_(problems=('one', 'two'), notes=('n',))])
        self.assertEqual(
            ('copy', 'link-30s', 'blockmig', 'debris', 'failed',
             'one; two; n', '34.0.0', '9.0.0', '7.2.0', '7', '2026-01-02'),
            row,
        )  # fmt: skip
        self.assertEqual(len(outcome.COLUMNS), len(row))

    def test_the_later_result_counts(self) -> None:
        (row,) = outcome.rows([with_(lost=('x',)), with_()])
        self.assertEqual('good', row[3])

    def test_but_not_one_that_missed_its_step(self) -> None:
        (row,) = outcome.rows([with_(lost=('x',)), with_(hit=False)])
        self.assertEqual('lost', row[3])

    def test_each_driver_has_its_row(self) -> None:
        found = outcome.rows([with_(), with_(driver='in-tree')])
        self.assertEqual(['blockmig', 'in-tree'], [row[2] for row in found])


class KnownTest(unittest.TestCase):
    def test_what_was_run_with_that_driver(self) -> None:
        results = [
            with_(),
            with_(cell='copy:abort', hit=False),
            with_(cell='check:abort', driver='in-tree'),
        ]
        self.assertEqual({'copy:link-30s'}, outcome.known(results, 'blockmig'))


class NotRunTest(unittest.TestCase):
    def test_a_row_that_says_so(self) -> None:
        (row,) = outcome.not_run(['copy:link-30s', 'check:abort'], [with_()])
        self.assertEqual(('check', 'abort', '-', 'not run'), row[:4])
        self.assertEqual(len(outcome.COLUMNS), len(row))
