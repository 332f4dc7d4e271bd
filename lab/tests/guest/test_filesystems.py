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

import unittest

from blocklab.guest import filesystems

TABLE = """
{
   "partitiontable": {
      "label": "dos", "id": "0x1", "device": "raw", "unit": "sectors",
      "sectorsize": 512,
      "partitions": [
         {"node": "raw1", "start": 2048, "size": 81920, "type": "c"},
         {"node": "raw2", "start": 83968, "size": 2013184, "type": "83"}
      ]
   }
}
"""
EMPTY = '{"partitiontable": {"label": "dos", "sectorsize": 512}}'


class LastPartition(unittest.TestCase):
    def test_in_bytes(self) -> None:
        self.assertEqual(83968 * 512, filesystems.last_partition(TABLE))

    def test_no_partitions(self) -> None:
        for table in ('', EMPTY):
            self.assertEqual(0, filesystems.last_partition(table))
