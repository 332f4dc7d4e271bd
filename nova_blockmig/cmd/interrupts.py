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

"""Ctrl-C while guests are under way: once to stop gently, twice to leave."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import signal
import threading
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def gently(tell: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Something to ask whether to stop.

    :raises KeyboardInterrupt: inside, at the second signal.
    """
    asked = threading.Event()

    def stop(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        tell(
            'Interrupted: waiting for the migrations in progress; no new '
            'ones are started. Press Ctrl-C again to exit immediately.'
        )

    try:
        before = {number: signal.signal(number, stop) for number in _SIGNALS}
    except ValueError:
        # Python has signals in its main thread only. It is asked instead of
        # threading.main_thread, whose answer eventlet changes.
        yield asked.is_set
        return
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
