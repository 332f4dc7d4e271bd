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

"""What virsh says of a block job; the listings are libvirt 9.0's."""

import unittest

from blocklab.chaos import events

COPY = """\
 type=Block Copy
 bandwidth=0
 cur=6291456
 end=46137344
"""


class ParseJobTest(unittest.TestCase):
    def test_a_copy(self) -> None:
        self.assertEqual(
            events.Job('Block Copy', 6291456, 46137344),
            events.parse_job(COPY),
        )

    def test_none(self) -> None:
        self.assertIsNone(events.parse_job('\n'))
        self.assertIsNone(events.parse_job('No current block job for vda\n'))
