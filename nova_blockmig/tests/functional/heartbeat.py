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

"""How long a service stands still while our rooms work.

Usage: python -m nova_blockmig.tests.functional.heartbeat DIRECTORY

Runs in the concurrency mode that Nova chose when the package of these tests
was imported. Starts a thread that beats as the service's own periodic tasks
would, does each work and prints, as JSON, the length of each and the longest
pause between two beats in it.
"""

from collections.abc import Callable
import itertools
import json
import pathlib
import sys
import threading
import time
from typing import Any

from nova_blockmig.host import digests
from nova_blockmig.tests.functional import works

INTERVAL = 0.01
"""Seconds between two beats."""


class Heart:
    """Beats in a thread of its own, which eventlet makes a green one."""

    def __init__(self) -> None:
        self._beats: list[float] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._beats.append(time.monotonic())
            time.sleep(INTERVAL)

    def listen(self, work: Callable[[], Any]) -> dict[str, float]:
        """Do some work; its length and the longest pause, in seconds."""
        time.sleep(2 * INTERVAL)
        start = time.monotonic()
        work()
        end = time.monotonic()
        times = [start, *(b for b in self._beats if start < b < end), end]
        pauses = [
            after - before for before, after in itertools.pairwise(times)
        ]
        return {'length': end - start, 'pause': max(pauses)}


def main(directory: pathlib.Path) -> None:
    large = directory / 'large'
    every = works.all_of(directory, large)
    heart = Heart()
    # Not offloaded, as a measure of how much there is to be kept away.
    unguarded = heart.listen(lambda: digests.file_digest(str(large)))
    measured = {name: heart.listen(work) for name, work in every.items()}
    # From Nova 34 on native threads are to do without the import.
    eventlet = sys.modules.get('eventlet')
    patched = bool(eventlet and eventlet.patcher.is_monkey_patched('thread'))
    print(
        json.dumps(
            {'eventlet': patched, 'works': measured, 'unguarded': unguarded}
        )
    )


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
