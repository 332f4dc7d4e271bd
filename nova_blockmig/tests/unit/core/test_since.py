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

from nova_blockmig.core import since
from nova_blockmig.tests.unit import base

NOW = 1_800_000_000.0


class TestSince(base.TestCase):
    def test_a_span(self) -> None:
        for text, seconds in (('30m', 1800), ('2h', 7200), ('1w', 604800)):
            self.assertEqual(NOW - seconds, since.moment(text, NOW))

    def test_a_date(self) -> None:
        self.assertEqual(
            since.moment('2026-11-25T12:00', NOW),
            since.moment('2026-11-25T14:00+02:00', NOW),
        )
        self.assertEqual(
            '2026-11-25T00:00:00Z', since.iso(since.moment('2026-11-25', NOW))
        )

    def test_anything_else(self) -> None:
        for text in ('', '7', '7y', 'yesterday', '-1d'):
            self.assertRaises(ValueError, since.moment, text, NOW)
