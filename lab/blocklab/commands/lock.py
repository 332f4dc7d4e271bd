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

"""One labctl at a time works on a lab."""

from collections.abc import Iterator
import contextlib
import fcntl

from blocklab.machine import layout as layouts
from blocklab.machine.errors import BadInput
from blocklab.machine.layout import Layout


@contextlib.contextmanager
def exclusive(name: str) -> Iterator[Layout]:
    """The lab is this process's alone meanwhile.

    :raises BadInput: another process works on it.
    """
    layout = layouts.named(name)
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    with layout.lock.open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f'Another labctl is at work on the lab {name!r}.',
                'Wait until it has ended, or use another lab with --name.',
            ) from None
        yield layout
