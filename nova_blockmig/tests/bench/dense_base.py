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

"""What the digest of an image's base costs, when it is needed again.

The base has no holes. Nova touches it when an instance is spawned on it and
when its image cache manager has run.
"""

from collections.abc import Callable
from collections.abc import Iterator
import hashlib
import os
import shutil
import tempfile

from nova_blockmig.host import digests
from nova_blockmig.tests.bench import measure
from nova_blockmig.tests.bench import rows

MIB = 2**20
SIZES = {'tiny': 4 * MIB, 'normal': 4096 * MIB}


def run(options: rows.Options) -> Iterator[rows.Case]:
    size = options.choose(**SIZES)
    with tempfile.TemporaryDirectory(dir='/var/tmp') as directory:
        base = os.path.join(directory, 'base')
        state = os.path.join(directory, 'digests.json')
        _dense(base, size)

        def case(what: str, cache: digests.DigestCache) -> rows.Case:
            return _case(what, size, lambda: cache.digest(base))

        yield _case('one plain read and SHA-256', size, lambda: _plain(base))
        cache = _cache(state)
        yield case('first migration', cache)
        yield case('second migration', cache)
        for _ in range(7):
            cache.digest(base)
        yield case('tenth migration', cache)
        os.utime(base)
        yield case('after it was touched', cache)
        cache = _cache(state)
        yield case('after nova-compute was restarted', cache)
        os.utime(base)
        cache = _cache(state)
        yield case('after both', cache)
        again = base + '.part'
        shutil.copyfile(base, again)
        os.replace(again, base)
        yield case('after it was fetched again', cache)


def _cache(state: str) -> digests.DigestCache:
    cache = digests.DigestCache()
    cache.keep_in(state)
    return cache


def _case(what: str, size: int, call: Callable[[], object]) -> rows.Case:
    found = measure.cost(call)
    return {
        'when': what,
        'base_bytes': size,
        'seconds': found.seconds,
        'cpu_seconds': found.cpu_seconds,
        'read_bytes': found.read_bytes,
        'reads': found.read_bytes / size,
    }


def _plain(path: str) -> str:
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def _dense(path: str, size: int) -> None:
    block = os.urandom(MIB)
    with open(path, 'wb') as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(8, 'big') + block[8:])


ROW = rows.Row(
    name='dense-base',
    title='The digest of a base without holes',
    run=lambda options: list(run(options)),
    columns=(
        rows.Column('When', 'when'),
        rows.Column('Base, MiB', 'base_bytes', '.0f', MIB),
        rows.Column('Seconds', 'seconds', '.4f'),
        rows.Column('Processor s', 'cpu_seconds', '.4f'),
        rows.Column('Read, MiB', 'read_bytes', '.1f', MIB),
    ),
)
