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

"""What check says of hosts with the in-tree driver, and of known defects."""

import dataclasses
import json
from typing import Any

from nova_blockmig.core import operator_errors
from nova_blockmig.core import travel_time
from nova_blockmig.tests.unit.cmd import check_case
from nova_blockmig.tests.unit.core import test_dry_run

SERVER = check_case.SERVER
GIB = check_case.GIB


class InTreeTest(check_case.CheckTestCase):
    """A destination with the in-tree driver."""

    def setUp(self) -> None:
        super().setUp()
        self.bus.answers['server-01'] = operator_errors.NotOurs('no endpoint')

    def line(self) -> Any:
        self.code = self.run_command('check', SERVER, '-f', 'json')
        (line,) = json.loads(self.out)
        return line

    def test_its_record_is_what_is_known(self):
        line = self.line()
        self.assertEqual((2, 'may fit'), (self.code, line['result']))
        self.assertIn('only its compute node record', line['reason'])
        self.assertEqual(
            ['RAM', 'disk (virtual sizes)'],
            [row['resource'] for row in line['rows']],
        )
        self.assertEqual(6, line['record']['disk_available_least'])
        self.assertNotIn('images_type', line['reason'])

    def test_its_record_is_enough_for_a_no(self):
        self.bus.row['disk_available_least'] = 4
        line = self.line()
        self.assertEqual((1, 'does not fit'), (self.code, line['result']))
        self.assertIn('1 GiB short', line['reason'])

    def test_a_record_without_a_number(self):
        self.bus.row['disk_available_least'] = None
        self.assertIn('disk_available_least', self.line()['reason'])

    def test_what_cannot_travel_there(self):
        self.bus.for_in_tree = dataclasses.replace(
            test_dry_run.SOURCE, refusal='it would arrive blank'
        )
        line = self.line()
        self.assertEqual((1, 'does not fit'), (self.code, line['result']))
        self.assertIn('it would arrive blank', line['reason'])

    def test_a_source_that_does_not_know_such_hosts(self):
        self.bus.for_in_tree = operator_errors.NotOurs('server2 is older')
        self.bus.answers['server-02'] = {}
        code = self.run_command('check', SERVER, '-f', 'json')
        fits, other = json.loads(self.out)
        self.assertEqual((0, 'fits'), (code, fits['result']))
        self.assertEqual('not asked', other['result'])
        self.assertIn('server2 is older', other['reason'])

    def test_said_to_people(self):
        self.assertEqual(2, self.run_command('check', SERVER))
        self.assertIn('disk_available_least: 6', self.err)
        self.assertIn('may fit', self.out)


class DefectsTest(check_case.CheckTestCase):
    """Versions that are known to be bad, on either side."""

    def setUp(self) -> None:
        super().setUp()
        self.bus.source_said = dataclasses.replace(
            test_dry_run.SOURCE,
            versions={'QEMU': 8002002, 'libvirt': 9000000},
            machine_type='pc-q35-8.2',
        )

    def answer(self, **versions: int) -> None:
        self.bus.answers['server-01'] = {'versions': versions}

    def test_both_are_named(self):
        self.answer(QEMU=10000013, libvirt=11003000)
        self.assertEqual(0, self.run_command('check', SERVER))
        self.assertIn('server2: QEMU 8.2.2 has a known defect', self.err)
        self.assertIn('server-01: libvirt 11.3.0 has a known', self.err)
        self.assertIn('xml-of-incoming-guests', self.out)
        self.run_command('check', SERVER, '-f', 'json')
        (line,) = json.loads(self.out)
        self.assertEqual(2, len(line['known_defects']))
        self.assertEqual(
            {'QEMU': 10000013, 'libvirt': 11003000},
            line['versions']['server-01'],
        )

    def test_none_is_known(self):
        self.answer(QEMU=11000000, libvirt=12000000)
        self.run_command('check', SERVER)
        self.assertNotIn('known defects', self.out)

    def test_a_machine_type_that_is_too_new(self):
        self.answer(QEMU=7002022)
        self.assertEqual(1, self.run_command('check', SERVER, '-f', 'json'))
        self.assertIn(
            'machine type pc-q35-8.2', json.loads(self.out)[0]['reason']
        )

    def test_zeroes_that_are_counted(self):
        self.bus.source_said = dataclasses.replace(
            test_dry_run.SOURCE,
            disks=(
                dataclasses.replace(
                    test_dry_run.DISK,
                    counted_bytes=GIB,
                    data_bytes=2**20,
                ),
            ),
        )
        self.bus.migrations = [
            travel_time.Past('server2', 'server-01', 5 * GIB, 100.0)
        ]
        self.run_command('check', SERVER)
        self.assertIn('Nova will report 1 GiB for the disks', self.err)
        self.assertIn('1 min 40 s', self.out)
