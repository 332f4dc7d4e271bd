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

"""What labctl is doing, and how long it took."""

from collections.abc import Iterator
import contextlib
import sys
import threading
import time
from typing import TextIO


class Progress:
    """One line per finished step: when, what, how many seconds.

    Steps may run side by side, each in a thread of its own.
    """

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        with self._lock:
            print(f'{self.elapsed():6.1f} s  {text}', file=self._out,
                  flush=True)  # fmt: skip

    @contextlib.contextmanager
    def step(self, what: str, *, announce: bool = False) -> Iterator[None]:
        """A step; with `announce` its beginning is shown too."""
        if announce:
            self.say(f'{what} ...')
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self.say(f'{what}: FAILED')
            raise
        self.say(f'{what} ({time.monotonic() - began:.1f} s)')
