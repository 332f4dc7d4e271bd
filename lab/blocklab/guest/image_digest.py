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

"""Describe disk images, and hash what a guest reads from them.

Usage: image_digest.py [--content] SCRATCH FORMAT:IMAGE...

Runs on a compute host with nothing but Python and qemu-img, and prints a
list of JSON objects, one an image: path, format, virtual_bytes,
allocated_bytes (of the image itself, not of what backs it), backing_file
(null without one) and sha256, over the whole chain and the whole virtual
size. SCRATCH is a directory for a sparse copy of each image. With --content
the digest is of the size and of each piece that is not all zeroes, with its
place: as strong, equal for equal content only, and it does not pay for empty
space; such digests compare only with each other.

The guest must be paused, or the image read-only: QEMU keeps metadata of a
running guest's disk in memory, and qemu-img would read an older disk. FORMAT
is what libvirt was told, for a guest can write to a raw disk what it likes.
"""

from collections.abc import Iterator
from concurrent import futures
import functools
import hashlib
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

_PIECE = 1024 * 1024
_ZEROES = bytes(_PIECE)


def describe(
    named: str, scratch: str, *, content_only: bool = False
) -> dict[str, Any]:
    """Everything about one image; see the module."""
    image_format, _, image = named.partition(':')
    info = json.loads(
        _qemu_img(
            'info', '--force-share', '-f', image_format, '--output=json', image
        )
    )
    return {
        'path': image,
        'format': image_format,
        'virtual_bytes': info['virtual-size'],
        'allocated_bytes': info['actual-size'],
        'backing_file': info.get('backing-filename'),
        'sha256': digest(
            image, image_format, scratch, content_only=content_only
        ),
    }


def digest(
    image: str, image_format: str, scratch: str, *, content_only: bool = False
) -> str:
    """SHA-256 of what the guest reads, in hexadecimal."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        raw = Path(directory) / 'raw'
        _qemu_img(
            'convert', '--force-share', '-f', image_format, '-O', 'raw',
            image, str(raw),
        )  # fmt: skip
        total = hashlib.sha256()
        for piece in contents(raw) if content_only else pieces(raw):
            total.update(piece)
        return total.hexdigest()


def contents(file: Path) -> Iterator[bytes]:
    """The size, and the place and content of what is not all zeroes.

    Pieces begin at multiples of their size, so that it does not matter
    where the file happens to have holes.
    """
    size = file.stat().st_size
    yield size.to_bytes(8)
    with file.open('rb') as content:
        position = 0
        while position < size:
            start, end = _data(content.fileno(), position, size)
            position = start - start % _PIECE
            content.seek(position)
            while position < end:
                piece = content.read(_PIECE)
                if not piece:
                    raise OSError(f'{file} became shorter')
                if piece.count(0) != len(piece):
                    yield position.to_bytes(8)
                    yield piece
                position += len(piece)


def pieces(file: Path) -> Iterator[bytes]:
    """The content of a sparse file; holes are not read from the disk."""
    size = file.stat().st_size
    with file.open('rb') as content:
        position = 0
        while position < size:
            start, end = _data(content.fileno(), position, size)
            yield from _zeroes(start - position)
            content.seek(start)
            left = end - start
            while left:
                piece = content.read(min(_PIECE, left))
                if not piece:
                    raise OSError(f'{file} became shorter')
                yield piece
                left -= len(piece)
            position = end


def _data(descriptor: int, position: int, size: int) -> tuple[int, int]:
    """Start and end of the first data at or after a position."""
    try:
        start = os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError:  # ENXIO: only a hole is left
        return size, size
    return start, os.lseek(descriptor, start, os.SEEK_HOLE)


def _zeroes(count: int) -> Iterator[bytes]:
    for _ in range(count // _PIECE):
        yield _ZEROES
    yield _ZEROES[: count % _PIECE]


def _qemu_img(*words: str) -> str:
    done = subprocess.run(
        ['qemu-img', *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def main(words: list[str]) -> None:
    """Print the description of every image named on the command line."""
    content_only = words[:1] == ['--content']
    scratch, *images = words[content_only:]
    look = functools.partial(
        describe, scratch=scratch, content_only=content_only
    )
    # Two at a time: hashing lets go of the interpreter's lock.
    with futures.ThreadPoolExecutor(2) as pool:
        print(json.dumps(list(pool.map(look, images))))


if __name__ == '__main__':
    main(sys.argv[1:])
