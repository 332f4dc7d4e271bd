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

"""Tests of how long a migration may take."""

from nova_blockmig.core import travel_time
from nova_blockmig.tests.unit import base

MIB = 2**20


def past(*pairs, source='a', destination='b'):
    return [
        travel_time.Past(source, destination, amount * MIB, seconds)
        for amount, seconds in pairs
    ]


class TravelTimeTest(base.TestCase):
    def estimate(self, amount, migrations):
        found = travel_time.by_past(amount * MIB, migrations, 'a', 'b')
        return found and (found.shortest, found.longest)

    def test_by_bandwidth(self):
        found = travel_time.by_bandwidth(600 * MIB, 10 * MIB)
        self.assertEqual('1 min', str(found))

    def test_as_much_as_before_takes_as_long(self):
        self.assertEqual((20, 20), self.estimate(100, past((100, 20))))
        self.assertEqual((40, 40), self.estimate(200, past((100, 20))))

    def test_never_shorter_than_the_fastest(self):
        self.assertEqual((20, 20), self.estimate(1, past((100, 20))))

    def test_the_middle_half(self):
        odd = past((100, 10), (100, 20), (100, 30), (100, 900))
        self.assertEqual((20, 30), self.estimate(100, odd))

    def test_of_the_latest_only(self):
        many = past(*[(100, 10)] * 20, *[(100, 900)] * 20)
        self.assertEqual((10, 10), self.estimate(100, many))

    def test_nothing_to_go_by(self):
        other = past((100, 10), destination='c') + past((0, 10), (100, 0))
        self.assertIsNone(self.estimate(100, other))

    def test_an_amount_that_is_known_in_part(self):
        self.assertEqual(5, travel_time.amount(3, 2))
        self.assertEqual(3, travel_time.amount(3, None))
        for memory in (0, None):
            self.assertEqual(0, travel_time.amount(memory, 2))

    def test_words(self):
        self.assertEqual('20 s to 1 min', str(travel_time.Estimate(20, 60)))
