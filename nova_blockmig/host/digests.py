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

"""Content digests of files, each computed once."""

from collections.abc import Callable
from concurrent import futures
import os
import threading
from typing import Any

from nova_blockmig.core import content
from nova_blockmig.host import sparse

Runner = Callable[..., Any]
"""Calls its first argument with the others, in whatever thread."""


def _here(func: Callable[..., Any], *args: Any) -> Any:
    return func(*args)


def file_digest(path: str) -> str:
    """The content digest of a file, see :mod:`nova_blockmig.core.content`.

    Reads the whole file, its holes excepted.

    :raises OSError: it cannot be read, or changed while it was read.
    """
    return sparse.read(path, content.digest)


class DigestCache:
    """Remembers the digests of files that have not changed since.

    A file is known by device, inode, size and the times of its last change.
    Nova updates those times, as a sign of use, whenever it makes an instance
    on a base and whenever its image cache manager has run; the base is then
    read again, as nothing tells this from writing to it.

    :param limit: most digests that are kept, and computations that can be
        waited for.
    """

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: dict[tuple[int, ...], futures.Future[str]] = {}

    def digest(self, path: str, run: Runner = _here) -> str:
        """The digest of a file, computed if it is not known.

        Who asks for a file that somebody else is reading waits for the
        result of that.

        :param run: calls the function that reads, for callers that must not
            block their own thread by it. Locks are taken outside of it.
        :raises OSError: it cannot be read, or changed while it was read.
        """
        key = sparse.identity(os.stat(path))
        with self._lock:
            future = self._known.get(key)
            ours = future is None
            if future is None:
                future = futures.Future()
                self._known[key] = future
                self._forget_oldest()
        if ours:
            self._compute(key, future, path, run)
        return future.result()

    def _compute(
        self,
        key: tuple[int, ...],
        future: 'futures.Future[str]',
        path: str,
        run: Runner,
    ) -> None:
        try:
            found = run(file_digest, path)
            # What was read may be newer than what the key says.
            after = sparse.identity(os.stat(path))
        except BaseException as exc:
            self._forget(key, future)
            future.set_exception(exc)
            return
        if after != key:
            self._forget(key, future)
        future.set_result(found)

    def _forget(
        self, key: tuple[int, ...], future: 'futures.Future[str]'
    ) -> None:
        with self._lock:
            if self._known.get(key) is future:
                del self._known[key]

    def _forget_oldest(self) -> None:
        while len(self._known) > self._limit:
            del self._known[next(iter(self._known))]


CACHE = DigestCache()
"""The one of this process: a base is shared by many instances."""
