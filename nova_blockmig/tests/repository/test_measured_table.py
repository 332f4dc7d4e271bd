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

"""tools/measured-table, which has no .py in its name."""

import pathlib
from typing import Any

import testtools

from nova_blockmig.tests.repository import tools
from nova_blockmig.tests.unit import base

ROOT = pathlib.Path(__file__).parents[3]
DIGEST = '0a058eeab627fe2d' + 'f' * 48


def _report(**changes: Any) -> dict[str, Any]:
    disk = {
        'name': 'disk.eph0',
        'identical': False,
        'sha256_before': DIGEST,
        'sha256_after': None,
    }
    return {
        'driver': 'in-tree',
        'release': '2026.2',
        'status': 'completed',
        'disks': [disk],
    } | changes


class RowsTest(base.TestCase):
    def test_one_row_a_disk(self) -> None:
        self.assertEqual(
            [
                (
                    'in-tree',
                    '2026.2',
                    'disk.eph0',
                    'no',
                    '0a058eeab627',
                    'guest runs',
                )
            ],
            tools.load('measured-table').rows(_report()),
        )

    def test_the_columns_have_names(self) -> None:
        tool = tools.load('measured-table')
        self.assertEqual(len(tool.COLUMNS), len(tool.rows(_report())[0]))

    def test_a_migration_that_failed_shows_nothing(self) -> None:
        with testtools.ExpectedException(ValueError, 'the migration ended'):
            tools.load('measured-table').rows(_report(status='error'))
