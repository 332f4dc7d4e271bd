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

"""What is read from ss and virsh during a migration.

The listings were recorded on the two hosts of a lab.
"""

import unittest

from blocklab.migration import watch
from blocklab.migration.watch import Connection
from blocklab.migration.watch import Job

SS = """\
0  0  10.88.0.12:38530 10.88.0.1:6642  users:(("ovn-controller",pid=1))
0  0  10.88.0.12:49154 10.88.0.1:5672  users:(("nova-compute",pid=2))
0  0  10.88.0.12:16509 10.88.0.11:51220 users:(("libvirtd",pid=3,fd=9))
0  0  [::ffff:10.88.0.12]:49152 [::ffff:10.88.0.11]:36154 %s
"""
SS %= 'users:(("qemu-system-x86",pid=4,fd=32))'

RUNNING = """\
Job type: 2

operation: 3
time_elapsed: 1234
memory_total: 269230080
memory_processed: 113261644
memory_remaining: 155968436
disk_total: 5242880
disk_processed: 1048576
disk_remaining: 4194304

"""


class Connections(unittest.TestCase):
    def test_only_those_of_a_migration(self) -> None:
        self.assertEqual(
            [
                Connection('b', '10.88.0.12:16509', '10.88.0.11:51220',
                           'libvirtd'),
                Connection('b', '10.88.0.12:49152', '10.88.0.11:36154',
                           'qemu-system-x86'),
            ],
            watch.parse_connections('b', SS),
        )  # fmt: skip

    def test_nothing(self) -> None:
        self.assertEqual([], watch.parse_connections('b', '\n'))


class Jobs(unittest.TestCase):
    def test_running(self) -> None:
        self.assertEqual(
            Job(
                memory_processed=113261644,
                memory_total=269230080,
                disk_processed=1048576,
                disk_total=5242880,
            ),
            watch.parse_job(RUNNING),
        )

    def test_completed(self) -> None:
        job = watch.parse_job(
            'Job type: 3\n\ndowntime: 274\nmemory_processed: 5\n'
        )
        self.assertEqual(Job(memory_processed=5, downtime_ms=274), job)

    def test_none(self) -> None:
        self.assertIsNone(watch.parse_job('Job type: 0\n\n'))
