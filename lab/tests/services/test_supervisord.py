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

"""What the supervisor waits for."""

import multiprocessing
from types import SimpleNamespace
from typing import Any

import testtools

from blocklab.services import supervisord


class PollerTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        options: Any = SimpleNamespace()
        self.poller = supervisord.Poller(options)

    def pipe(self) -> tuple[Any, Any]:
        ends = multiprocessing.Pipe(duplex=False)
        for end in ends:
            self.addCleanup(end.close)
        return ends

    def test_a_pipe_that_nobody_reads_is_dropped(self) -> None:
        reading, writing = self.pipe()
        self.poller.register_readable(writing.fileno())
        reading.close()
        self.assertEqual(([], []), self.poller.poll(0))
        self.assertEqual(set(), self.poller.readables)
        # Else this would be there again and again.
        self.assertEqual([], self.poller._poll_fds(0))

    def test_the_last_words_of_a_service_are_heard(self) -> None:
        reading, writing = self.pipe()
        self.poller.register_readable(reading.fileno())
        writing.send_bytes(b'goodbye')
        writing.close()
        self.assertEqual(([reading.fileno()], []), self.poller.poll(0))
