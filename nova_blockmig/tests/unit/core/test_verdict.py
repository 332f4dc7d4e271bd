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


"""Tests of what an operator reads."""

import dataclasses
import doctest

from nova_blockmig.core import verdict
from nova_blockmig.tests.unit import base

MIB, GIB = 2**20, 2**30

RAM = verdict.Row(
    verdict.Resource.RAM,
    4 * GIB,
    verdict.Available(
        1536 * MIB, (('memory x 1', 20 * GIB), ('used', -18944 * MIB))
    ),
)
DISK = verdict.Row(
    verdict.Resource.DISK,
    10 * GIB,
    verdict.Available(62 * GIB, (('disk_available_least', 62 * GIB),)),
    unit='virtual sizes',
)
UNKNOWN = verdict.Row(
    verdict.Resource.IMAGE_BASE,
    1,
    verdict.Available(None, unknown='Glance is down'),
)


def sentence(*rows):
    return verdict.Verdict('bd261aa7', 'server-01', rows).sentence()


class SentenceTest(base.TestCase):
    def test_a_pass_shows_every_row(self):
        self.assertEqual(
            'fits on server-01: disk (virtual sizes): '
            'needs 10 GiB, 62 GiB available '
            '[disk: disk_available_least 62 GiB]',
            sentence(DISK),
        )

    def test_a_refusal_shows_what_does_not_fit_and_why(self):
        self.assertEqual(
            'does not fit on server-01: RAM: needs 4 GiB, 1.5 GiB available, '
            '2.5 GiB short [RAM: memory x 1 20 GiB, used -18.5 GiB] '
            '(instance bd261aa7)',
            sentence(RAM, DISK),
        )

    def test_all_refusals_at_once(self):
        line = sentence(RAM, UNKNOWN, DISK)
        ram = line.index('RAM: needs 4 GiB')
        base = line.index(
            'image base: needs 1 byte, available unknown: Glance is down'
        )
        self.assertLess(ram, base)
        self.assertNotIn('disk (', line)

    def test_no_sum_no_brackets(self):
        self.assertNotIn('[', sentence(UNKNOWN))

    def test_it_is_one_line(self):
        self.assertNotIn('\n', sentence(RAM, UNKNOWN, DISK))

    def test_what_matters_survives_the_fault(self):
        """Of a message from the source Nova keeps little more than 100."""
        over = dataclasses.replace(DISK, need_bytes=73 * GIB + MIB)
        uuid = 'bd261aa7-728b-4edb-bd18-2ae2370b6549'
        one = verdict.Verdict(uuid, 'the destination', (over,))
        self.assertIn('11 GiB short', one.sentence()[:105])

    def test_an_offer_has_no_need(self):
        self.assertEqual(
            'disk (virtual sizes): 62 GiB available '
            '[disk: disk_available_least 62 GiB]',
            DISK.offer(),
        )
        self.assertEqual('image base: Glance is down', UNKNOWN.offer())


class RowTest(base.TestCase):
    def test_nothing_fits_anywhere(self):
        for there in (verdict.Available(-1), verdict.Available(None)):
            self.assertTrue(verdict.Row(verdict.Resource.DISK, 0, there).fits)

    def test_one_byte_short(self):
        row = verdict.Row(
            verdict.Resource.RAM, GIB + 1, verdict.Available(GIB)
        )
        self.assertEqual(
            'RAM: needs 1 GiB, 1 GiB available, 1 byte short', row.summary()
        )


class HumanTest(base.TestCase):
    def test_units(self):
        for amount, text in (
            (0, '0 bytes'),
            (MIB - 1, '1048575 bytes'),
            (MIB, '1 MiB'),
            (GIB - MIB, '1023 MiB'),
            (GIB, '1 GiB'),
            (-3 * GIB // 2, '-1.5 GiB'),
            (1024 * GIB, '1 TiB'),
        ):
            self.assertEqual(text, verdict.human(amount))

    def test_examples(self):
        failed, tried = doctest.testmod(verdict)
        self.assertEqual((0, True), (failed, tried > 0))
