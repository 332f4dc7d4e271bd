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

"""Keeping long work off the service's loop.

nova-compute runs live migration and its RPC handlers either in native
threads, where a blocking read holds up nobody else, or in eventlet's green
threads, where it would hold up the whole service, its heartbeats included.
"""

from collections.abc import Callable
import sys
from typing import ParamSpec
from typing import TypeVar

P = ParamSpec('P')
T = TypeVar('T')


def run(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call func so that the rest of the service goes on meanwhile.

    func must neither log nor take a lock: under eventlet it runs in a
    native thread, where patched locks do not work.

    eventlet is looked up and never imported: a service in native threading
    mode forbids the import. ``nova.utils.concurrency_mode_threading`` would
    tell the mode, but Nova 31 does not have it.
    """
    eventlet = sys.modules.get('eventlet')
    if eventlet is None or not eventlet.patcher.is_monkey_patched('thread'):
        return func(*args, **kwargs)
    from eventlet import tpool

    result: T = tpool.execute(func, *args, **kwargs)
    return result
