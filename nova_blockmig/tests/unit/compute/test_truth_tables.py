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


"""The truth tables of the documentation, row by row.

tables/*.csv are the tables that doc/source/reference/resource-check.rst
shows. Each row goes all the way from the columns of a record to a verdict.
"""

from collections.abc import Iterator
import csv
import datetime
import fractions
import pathlib
from typing import Any

import nova.conf
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import compute_node
from nova_blockmig.core import capacity
from nova_blockmig.core import model
from nova_blockmig.core import resource_check
from nova_blockmig.core import verdict
from nova_blockmig.tests.unit import base

TABLES = pathlib.Path(__file__).parent / 'tables'
NOW = datetime.datetime(2012, 7, 9, 15, 49, 23)
UNITS = {'MiB': 2**20, 'GiB': 2**30}


def rows(name: str) -> Iterator[dict[str, str]]:
    with open(TABLES / name, newline='') as file:
        yield from csv.DictReader(file)


def size_or_none(text: str) -> int | None:
    """A size; NULL and unknown are None."""
    return None if text in ('NULL', 'unknown') else size(text)


def size(text: str) -> int:
    """``62 GiB + 1``: bytes."""
    text, _, more = text.partition(' + ')
    number, _, unit = text.partition(' ')
    amount = fractions.Fraction(number) * UNITS.get(unit, 1) + int(more or 0)
    assert amount.denominator == 1, text
    return int(amount)


def number(text: str) -> Any:
    return None if text == 'NULL' else fractions.Fraction(text)


def record(row: dict[str, str]) -> dict[str, Any]:
    """The columns of the row as a compute_nodes record."""
    columns = {
        column: None if text == 'NULL' else int(text)
        for column, text in row.items()
        if column.endswith(('_mb', '_gb', '_used', '_least'))
    }
    ratios = {
        column: None if text == 'NULL' else float(text)
        for column, text in row.items()
        if column.endswith('_ratio')
    }
    age = number(row['age'])
    written = None
    if age is not None:
        written = NOW - datetime.timedelta(seconds=int(age))
    return {**columns, **ratios, 'host': 'server-01', 'updated_at': written}


def incoming(row: dict[str, str]) -> list[capacity.Incoming]:
    """One instance that the record counts, and one that it does not.

    All that is left to write is the former's where there is one.
    """
    new, counted = size(row['incoming']), size(row['incoming counted'])
    left = size(row.get('left to write', '0'))
    return [
        capacity.Incoming('new', new, new, 0 if counted else left),
        capacity.Incoming(
            'old', counted, counted, left if counted else 0, True, True
        ),
    ]


class Case(base.TestCase):
    def setUp(self):
        super().setUp()
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(
            ram_allocation_ratio=None,
            initial_ram_allocation_ratio=1.0,
            disk_allocation_ratio=None,
            initial_disk_allocation_ratio=1.0,
            update_resources_interval=0,
        )

    def assert_row(self, row: dict[str, str], result: verdict.Row) -> None:
        case = row['case']
        there = result.available.bytes
        self.assertEqual(size_or_none(row['available']), there, case)
        fits = {'yes': True, 'no': False}[row['fits']]
        self.assertEqual(fits, result.fits, case)
        if there is None:
            self.assertIn('update_available_resource', result.summary(), case)
        else:
            terms = sum(amount for _, amount in result.available.terms)
            self.assertEqual(there, terms, case)


class RamTableTest(Case):
    def test_rows(self):
        for row in rows('ram.csv'):
            host = compute_node.from_row(record(row), NOW)
            result = resource_check.check_ram(
                size(row['need']), host, incoming(row)
            )
            self.assert_row(row, result)


class DiskTableTest(Case):
    def check(self, row):
        base = size(row['image base'])
        mode = model.OverCommit(row['mode'])
        room = capacity.DiskSpace(
            free_bytes=size_or_none(row['free now']),
            reserved_bytes=size(row['reserve']),
            base=capacity.ImageBase(base, base) if base else None,
        )
        there = resource_check.available_disk(
            compute_node.from_row(record(row), NOW), mode, room, incoming(row)
        )
        # The size that does not count is one that could not fit.
        need, other = size(row['need']), size('1000 GiB')
        if mode is model.OverCommit.ACTUAL:
            disk = capacity.DiskNeed('disk', other, need)
        else:
            disk = capacity.DiskNeed('disk', need, other, other)
        return resource_check.check_disk([disk], mode, there)

    def test_rows(self):
        for row in rows('disk.csv'):
            self.assert_row(row, self.check(row))


class TablesTest(base.TestCase):
    def test_every_case_has_its_name(self):
        for name in ('ram.csv', 'disk.csv'):
            names = [(row['case'], row.get('mode')) for row in rows(name)]
            self.assertEqual(len(names), len(set(names)))

    def test_both_answers_are_there(self):
        for name in ('ram.csv', 'disk.csv'):
            answers = [row['fits'] for row in rows(name)]
            self.assertEqual({'yes', 'no'}, set(answers))
