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

"""What tools/bench makes of what it has measured."""

import contextlib
import io
import json
import pathlib
from typing import Any
from xml.etree import ElementTree

import fixtures

from nova_blockmig.tests.bench import growth
from nova_blockmig.tests.bench import machine
from nova_blockmig.tests.bench import main
from nova_blockmig.tests.bench import measure
from nova_blockmig.tests.bench import phases
from nova_blockmig.tests.bench import plot
from nova_blockmig.tests.bench import render
from nova_blockmig.tests.bench import rows
from nova_blockmig.tests.unit import base


def cost(seconds: float) -> measure.Cost:
    return measure.Cost(seconds, 0, 0)


class MeasureTest(base.TestCase):
    def test_they_take_turns(self) -> None:
        called: list[str] = []
        found = measure.turns(
            {
                'one': lambda: called.append('one'),
                'other': lambda: called.append('other'),
            },
            2,
        )
        self.assertEqual(['one', 'other', 'other', 'one'], called)
        self.assertEqual([2, 2], [len(costs) for costs in found.values()])

    def test_what_is_read_is_counted(self) -> None:
        path = self.useFixture(fixtures.TempDir()).join('file')
        pathlib.Path(path).write_bytes(bytes(100_000))
        found = measure.cost(pathlib.Path(path).read_bytes)
        self.assertEqual(100_000, len(found.result))
        # And the file of /proc that tells.
        self.assertAlmostEqual(100_000, found.read_bytes, delta=1000)

    def test_ratios_within_the_turns(self) -> None:
        """The second turn was on a busy machine: for both of them."""
        ours = [cost(1), cost(10), cost(1)]
        theirs = [cost(2), cost(20), cost(2)]
        self.assertEqual(0.5, measure.ratio(ours, theirs))
        self.assertEqual(1, measure.median(ours))
        self.assertIsNone(measure.ratio(ours, [cost(0)] * 3))


class PhasesTest(base.TestCase):
    LINES = (
        '2026-11-28 12:00:02.000 1 DEBUG a source check data is x',
        '2026-11-28 12:00:05.500 1 DEBUG a driver pre_live_migration data is',
        '2026-11-28 12:00:09.000 1 INFO a Migration operation has completed',
    )

    def test_each_ends_where_the_next_begins(self) -> None:
        began = 100.0
        first = phases.split('\n'.join(self.LINES), began, began)
        assert first is not None
        begun = began + first['check'] - 2
        found = phases.split('\n'.join(self.LINES), begun, begun + 10)
        self.assertEqual(
            {'check': 2.0, 'prepare': 3.5, 'copy': 3.5, 'finish': 1.0}, found
        )

    def test_a_line_is_missing(self) -> None:
        self.assertIsNone(phases.split('\n'.join(self.LINES[1:]), 0, 1))


class GrowthTest(base.TestCase):
    def test_line(self) -> None:
        cases: list[rows.Case] = [
            {'n': n, 'cost': 3 + 2 * n} for n in (1, 10, 100)
        ]
        found = growth.line([*cases, {'n': 5}], 'n', 'cost')
        assert found is not None
        self.assertAlmostEqual(3, found[0])
        self.assertAlmostEqual(2, found[1])

    def test_no_line_through_one_point(self) -> None:
        self.assertIsNone(growth.line([{'n': 1, 'cost': 2}] * 2, 'n', 'cost'))

    def test_what_a_model_says(self) -> None:
        results = {
            'disk-info': {
                'cases': [
                    {
                        'kind': 'periodic task',
                        'disks': n,
                        'nova_seconds': 0.1 * n,
                        'ours_seconds': 0.001 * n,
                    }
                    for n in (1, 10)
                ]
            }
        }
        self.assertEqual(
            [
                ("Nova's disk info in the periodic task", '20 s',
                 '20 s on each'),
                ("nova-blockmig's disk info in the periodic task", '200 ms',
                 '200 ms on each'),
            ],
            growth.predictions(results)[1:],
        )  # fmt: skip


class PlotTest(base.TestCase):
    def test_more_is_higher_and_further_right(self) -> None:
        text = plot.svg(
            'A & B', 'disks', 's', [('one', [(1, 0.01), (100, 3), (0, 1)])]
        )
        picture = ElementTree.fromstring(text)  # noqa: S314 - our own
        (line,) = picture.iter('{http://www.w3.org/2000/svg}polyline')
        (x1, y1), (x2, y2) = (
            map(float, point.split(','))
            for point in str(line.get('points')).split()
        )
        self.assertLess(x1, x2)
        self.assertGreater(y1, y2)

    def test_nothing(self) -> None:
        self.assertRaises(ValueError, plot.svg, 'A', 'x', 'y', [('one', [])])


ROW = rows.Row(
    name='check',
    title='Title',
    run=lambda options: [],
    columns=(
        rows.Column('Name', 'name'),
        rows.Column('MiB', 'bytes', '.1f', 2**20),
        rows.Column('Nobody has it', 'nothing', '.1f'),
    ),
)


def result(**more: Any) -> dict[str, Any]:
    return {
        'title': 'Title',
        'date': '2026-11-28 12:00',
        'revision': 'abc',
        'turns': 3,
        'seconds': 5,
        'load': [1.0, 2.0],
        'cases': [{'name': 'one', 'bytes': 2**20}],
        **more,
    }


MACHINE = dict.fromkeys(
    (
        'processor', 'memory', 'system', 'kernel', 'python', 'qemu',
        'libvirt', 'nova',
    ),
    'x',
)  # fmt: skip


class RenderTest(base.TestCase):
    def test_table(self) -> None:
        self.assertEqual(
            [['Name', 'MiB'], ['one', '1.0'], ['other', '']],
            render.table(
                ROW.columns,
                [{'name': 'one', 'bytes': 2**20}, {'name': 'other'}],
            ),
        )

    def test_each_row_says_how_busy_the_machine_was(self) -> None:
        files = render.files(
            {'rows': {'check': result()}, 'machine': MACHINE}, {'check': ROW}
        )
        self.assertEqual('Name,MiB\none,1.0\n', files['check.csv'])
        self.assertIn(
            'Title,2026-11-28 12:00,abc,3,5,1.0 to 2.0', files['machine.csv']
        )


class KeepTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = self.useFixture(fixtures.TempDir())
        self.path = pathlib.Path(directory.join('measured.json'))
        self.useFixture(
            fixtures.MockPatchObject(machine, 'described', return_value={})
        )

    def rows(self) -> Any:
        return json.loads(self.path.read_text())['rows']

    def test_other_rows_stay(self) -> None:
        main.keep(self.path, 'check', result(), ())
        main.keep(self.path, 'disk-info', result(seconds=7), ())
        self.assertEqual(['disk-info', 'check'], list(self.rows()))

    def test_other_cases_stay(self) -> None:
        """And what is said of the row is true of all of them."""
        main.keep(self.path, 'check', result(), ())
        main.keep(
            self.path,
            'check',
            result(cases=[{'name': 'two'}], load=[0.5, 9.0], revision='def'),
            ('two',),
        )
        found = self.rows()['check']
        self.assertEqual(['one', 'two'], [c['name'] for c in found['cases']])
        self.assertEqual([0.5, 9.0], found['load'])
        self.assertEqual('abc, def', found['revision'])
        self.assertEqual(10, found['seconds'])


class CallTest(base.TestCase):
    def test_an_unknown_row(self) -> None:
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            found = self.assertRaises(SystemExit, main.main, ['nothing'])
        self.assertEqual(2, found.code)
        self.assertIn('there is no row nothing', said.getvalue())
