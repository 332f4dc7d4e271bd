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

"""What was found out of files, for as long as they stay the same."""

from collections.abc import Callable
from concurrent import futures
import threading
from typing import Any
from typing import Generic
from typing import TypeVar

from nova_blockmig.core import identity
from nova_blockmig.host import identity as host_identity
from nova_blockmig.host import sparse

T = TypeVar('T')

Runner = Callable[..., Any]
"""Calls its first argument with the others, in whatever thread."""

_ATTEMPTS = 3


def here(func: Callable[..., Any], *args: Any) -> Any:
    """The runner that has no thread of its own."""
    return func(*args)


class Remembered(Generic[T]):
    """One result a file, found out once.

    :param find: called with the path and the key of the file that is meant;
        raises sparse.FileChanged if that is another one by now.
    :param limit: most weight that is kept; what was used last stays.
    :param weigh: the weight of a result.
    """

    def __init__(
        self,
        find: Callable[[str, identity.Key], T],
        limit: int,
        weigh: Callable[[T], int] = lambda result: 1,
    ) -> None:
        self._find = find
        self._limit = limit
        self._weigh = weigh
        self._lock = threading.Lock()
        self._known: dict[identity.Key, futures.Future[T]] = {}

    def get(
        self,
        path: str,
        run: Runner = here,
        expected: identity.Key | None = None,
    ) -> T:
        """The result for a file, found out if it is not known.

        Concurrent callers share one computation.

        :param run: calls find, for callers that must not block their own
            thread by it. Locks are taken outside of it.
        :param expected: the key of the file that is meant.
        :raises sparse.FileChanged: it is another one by now.
        :raises OSError: it cannot be read, or does not stand still.
        """
        for _ in range(_ATTEMPTS):
            key = host_identity.of_path(path).key
            if expected not in (None, key):
                break
            future, ours = self._future(key)
            if ours:
                self._fill(key, future, path, run)
            try:
                return future.result()
            except sparse.FileChanged:
                if host_identity.of_path(path).key == key:
                    raise
        raise sparse.FileChanged(path)

    def known(self, path: str) -> T | None:
        """The result for a file if it is there already.

        :raises OSError: the file cannot be asked which one it is.
        """
        key = host_identity.of_path(path).key
        with self._lock:
            future = self._known.get(key)
        if future is None or not future.done() or future.exception():
            return None
        return future.result()

    def add(self, key: identity.Key, result: T) -> None:
        """Remember what was found out elsewhere."""
        future: futures.Future[T] = futures.Future()
        future.set_result(result)
        with self._lock:
            self._known[key] = future
            self._forget_oldest()

    def results(self) -> dict[identity.Key, T]:
        """All that is known, the oldest first."""
        with self._lock:
            return {
                key: future.result()
                for key, future in self._known.items()
                if future.done() and not future.exception()
            }

    def _future(self, key: identity.Key) -> 'tuple[futures.Future[T], bool]':
        with self._lock:
            future = self._known.pop(key, None)
            ours = future is None
            if future is None:
                future = futures.Future()
            self._known[key] = future
        return future, ours

    def _fill(
        self,
        key: identity.Key,
        future: 'futures.Future[T]',
        path: str,
        run: Runner,
    ) -> None:
        try:
            future.set_result(run(self._find, path, key))
        except BaseException as exc:
            with self._lock:
                if self._known.get(key) is future:
                    del self._known[key]
            future.set_exception(exc)
            return
        with self._lock:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        """What is being found out weighs nothing yet."""
        weights = {
            key: self._weigh(future.result())
            for key, future in self._known.items()
            if future.done() and not future.exception()
        }
        total = sum(weights.values())
        for key, weight in weights.items():
            if total <= self._limit:
                return
            total -= weight
            del self._known[key]
