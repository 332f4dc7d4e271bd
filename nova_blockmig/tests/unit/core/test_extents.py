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
"""Tests of what of a disk is copied."""

import json

from nova_blockmig.core import extents
from nova_blockmig.core import model
from nova_blockmig.tests.unit import base

K = 1024
C = extents.CLUSTER


def extent(start, length, depth=0, **more):
    """A line of qemu-img of QEMU 7.2."""
    said = {
        'start': start, 'length': length, 'depth': depth, 'present': True,
        'zero': False, 'data': True, 'offset': 327680, **more,
    }  # fmt: skip
    return f'{json.dumps(said)},'


ZERO = {'zero': True, 'data': False}


class ExtentsTest(base.TestCase):
    def test_what_the_file_has_and_what_its_base_has(self):
        found = extents.add_up(
            [
                f'[{extent(0, 5 * C)}',
                extent(5 * C, C, **ZERO),
                extent(6 * C, 3 * C, 1),
                extent(9 * C, 4 * C, 1, **ZERO),
                extent(13 * C, 900 * C, present=False, **ZERO)[:-1] + ']',
            ]
        )
        self.assertEqual(
            (6 * C, 5 * C), found.copied(model.TransferMethod.FETCH)
        )
        self.assertEqual(
            (13 * C, 8 * C), found.copied(model.TransferMethod.COPY)
        )

    def test_holes_within_a_cluster_travel(self):
        found = extents.add_up(
            [
                extent(0, 4 * K, 1),
                extent(4 * K, 8 * K, 1, **ZERO),
                extent(12 * K, 4 * K, 1),
                extent(16 * K, 2 * C, 1, **ZERO),
                extent(16 * K + 2 * C, C, 1),
            ]
        )
        self.assertEqual(3 * C, found.all_data)
        self.assertEqual((0, 0), found.copied(model.TransferMethod.FETCH))

    def flattened(self, *lines):
        counted, data = extents.add_up(lines).copied(
            model.TransferMethod.FLATTEN
        )
        return counted // C, data // C

    def test_a_flattening_reads_eight_clusters_at_once(self):
        self.assertEqual(
            (40, 16),
            self.flattened(
                extent(0, C, 1),
                extent(C, 29 * C, 1, **ZERO),
                extent(30 * C, 2 * C, 1),
                extent(32 * C, 8 * C, 1, **ZERO),
            ),
        )

    def test_it_begins_anew_behind_what_the_file_has(self):
        self.assertEqual(
            (16, 5 + 1 + 3),
            self.flattened(
                extent(0, 4 * C, 1, **ZERO),
                extent(4 * C, C, 1),
                extent(5 * C, C),
                extent(6 * C, 2 * C, 1, **ZERO),
                extent(8 * C, C, 0, **ZERO),
                extent(9 * C, 4 * C, 0, **ZERO),
                extent(13 * C, C, 1),
                extent(14 * C, 2 * C, 1, **ZERO),
            ),
        )

    def test_an_older_qemu_does_not_say_what_is_present(self):
        line = '{"start": 0, "length": 7, "depth": 0, "zero": false, "data": '
        self.assertEqual(7, extents.add_up([f'{line} true}}']).top)
        self.assertEqual(0, extents.add_up([f'{line} false}}']).top)

    def test_nothing(self):
        self.assertEqual(extents.Extents(), extents.add_up(['[', ']']))

    def test_something_else(self):
        self.assertRaises(ValueError, extents.add_up, ['qemu-img: no'])
