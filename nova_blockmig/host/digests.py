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

import json
import os
import re
import tempfile
from typing import Any

from oslo_log import log as logging

from nova_blockmig.core import content
from nova_blockmig.core import identity
from nova_blockmig.host import files
from nova_blockmig.host import remembered
from nova_blockmig.host import sparse

LOG = logging.getLogger(__name__)

_LIMIT = 256
_VERSION = 1
_LARGEST = 1024 * 1024
"""Bytes of a state file that are read."""
_KEY_FIELDS = 4
"""Device, inode, size and birth: a key without the times."""
_SHA256 = re.compile(r'[0-9a-f]{64}')


def file_digest(path: str, expected: identity.Key | None = None) -> str:
    """The content digest of a base, see :mod:`nova_blockmig.core.content`.

    Reads the whole file, its holes excepted.

    :param expected: the key of the file that is meant.
    :raises OSError: it cannot be read, or does not stand still.
    """
    return sparse.read(path, content.digest, touched=True, expected=expected)


class DigestCache:
    """Remembers the digests of bases.

    A base is known by device, inode, size and the time at which it was made,
    which stay the same when Nova touches it. So a base that was made or
    fetched again is read again, and one whose bytes were changed in place is
    not. Where the file system does not tell when a file was made, the times
    of its last change take that place.

    :param limit: most digests that are kept.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        # Looked up at each call, for tests to put another in its place.
        self._digests = remembered.Remembered[str](
            lambda path, key: file_digest(path, key), limit
        )
        self._state_file: str | None = None

    def keep_in(self, state_file: str) -> None:
        """Know what is in a file, and write there what becomes known.

        So that a restart of the service costs no reading. A file that is
        damaged counts as empty.
        """
        self._state_file = state_file
        for key, digest in _load(state_file).items():
            self._digests.add(key, digest)

    def known(self, path: str) -> str | None:
        """The digest of a file if it need not be read for it.

        :raises OSError: the file cannot be asked which one it is.
        """
        return self._digests.known(path)

    def digest(
        self,
        path: str,
        run: remembered.Runner = remembered.here,
        expected: identity.Key | None = None,
    ) -> str:
        """The digest of a file, computed if it is not known.

        Concurrent callers share one computation.

        :param run: calls the function that reads, for callers that must not
            block their own thread by it. Locks are taken outside of it.
        :param expected: the key of the file that is meant.
        :raises OSError: it cannot be read, does not stand still, or is
            another file.
        """
        known = self._digests.known(path)
        found = self._digests.get(path, run, expected)
        if known is None:
            self._save()
        return found

    def _save(self) -> None:
        if self._state_file is None:
            return
        try:
            # Another nova-compute of this host may keep its own there.
            digests = {**_load(self._state_file), **self._digests.results()}
            _store(self._state_file, digests, self._limit)
        except OSError as exc:
            LOG.warning(
                'Unable to store the digests of base images in %(path)s; '
                'they will be computed again after a restart: %(reason)s',
                {'path': self._state_file, 'reason': exc},
            )


def _store(path: str, digests: dict[identity.Key, str], limit: int) -> None:
    rows = [
        [*key, digest]
        for key, digest in digests.items()
        # Times tell nothing of a file that may be touched meanwhile.
        if len(key) == _KEY_FIELDS
    ]
    directory, name = os.path.split(path)
    handle, part = tempfile.mkstemp(prefix=f'{name}.', dir=directory)
    try:
        with open(handle, 'w') as file:
            json.dump({'version': _VERSION, 'digests': rows[-limit:]}, file)
        os.replace(part, path)
    except BaseException:
        files.remove(part)
        raise


def _load(path: str) -> dict[identity.Key, str]:
    try:
        with open(path, 'rb') as file:
            found: Any = json.loads(file.read(_LARGEST))
        if found['version'] != _VERSION:
            return {}
        return dict(_row(*row) for row in found['digests'])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as exc:
        LOG.warning(
            'Ignoring the digests in %(path)s: %(reason)s',
            {'path': path, 'reason': exc},
        )
        return {}


def _row(
    device: int, inode: int, size: int, birth: int, digest: str
) -> tuple[identity.Key, str]:
    key = (device, inode, size, birth)
    if any(type(number) is not int for number in key):
        raise ValueError('not a number')
    if not _SHA256.fullmatch(digest):
        raise ValueError('not a SHA-256 digest')
    return key, digest


CACHE = DigestCache()
"""The one of this process: a base is shared by many instances."""
