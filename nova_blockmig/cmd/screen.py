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

"""Where a command shows what happens while it happens.

That is standard error: standard output has the result alone, for a program
to read. Without a terminal there are plain lines only.
"""

from collections.abc import Sequence
import dataclasses
import shutil
import sys
import time
from typing import TextIO

from nova_blockmig.core import terminal_text

_UP_AND_CLEAR = '\x1b[{}F\x1b[J'


class Clock:
    """The time, and the waiting."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclasses.dataclass
class Screen:
    """Lines that stay, and lines below them that are drawn anew."""

    out: TextIO = dataclasses.field(default_factory=lambda: sys.stderr)
    _drawn: int = 0

    @property
    def live(self) -> bool:
        """Whether there is a terminal that lines can be drawn anew on."""
        return self.out.isatty()

    @property
    def columns(self) -> int:
        """How wide it is; the last column stays free."""
        size = shutil.get_terminal_size((80, 24))
        return max(size.columns, terminal_text.NARROWEST) - 1

    def say(self, line: str) -> None:
        """A line that stays."""
        self._clear()
        print(terminal_text.printable(line), file=self.out, flush=True)

    def draw(self, lines: Sequence[str]) -> None:
        """Lines in the place of those that were drawn before."""
        if not self.live:
            return
        self._clear()
        rows = shutil.get_terminal_size((80, 24)).lines - 1
        for line in lines[:rows]:
            print(line, file=self.out)
        self.out.flush()
        self._drawn = len(lines[:rows])

    def _clear(self) -> None:
        if self._drawn:
            self.out.write(_UP_AND_CLEAR.format(self._drawn))
            self._drawn = 0
