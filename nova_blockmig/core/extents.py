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

"""What of a disk is copied, by what ``qemu-img map`` says of it.

Sizes are in bytes.
"""

from collections.abc import Iterable
import dataclasses
import json

from nova_blockmig.core import model

# What QEMU copies at once: a cluster of Nova's overlays, and the granularity
# of its mirror. A hole within one travels with the rest of it.
CLUSTER = 64 * 1024
# STREAM_CHUNK of QEMU's block/stream.c: what a flattening reads at once, and
# writes as zeroes only if there is nothing else in it.
STREAM_CHUNK = 512 * 1024


@dataclasses.dataclass(frozen=True)
class Extents:
    """How much of a disk is there.

    A stretch that is there may be known to hold zeroes: libvirt's job counts
    it, and a mark of it travels.

    :ivar top: what the file itself has.
    :ivar top_data: what of that is not zeroes, in whole clusters.
    :ivar all: what the file and its backing files have.
    :ivar all_data: what of that is not zeroes, in whole clusters.
    :ivar flat_data: the same once the disk has been flattened.
    """

    top: int = 0
    top_data: int = 0
    all: int = 0
    all_data: int = 0
    flat_data: int = 0

    def copied(self, method: model.TransferMethod) -> tuple[int, int]:
        """What libvirt's job counts, and what of that travels as data."""
        match method:
            case model.TransferMethod.FLATTEN:
                return self.all, self.flat_data
            case model.TransferMethod.COPY:
                return self.all, self.all_data
            case _:
                return self.top, self.top_data


class _Pieces:
    """How many bytes the pieces have that some stretches touch, in order.

    :param size: of a piece.
    """

    def __init__(self, size: int) -> None:
        self.bytes = 0
        self._size = size
        self._origin = self._end = 0

    def add(self, start: int, length: int) -> None:
        """Count the pieces of a stretch that are not counted yet."""
        before = (start - self._origin) // self._size * self._size
        after = -(-(start + length - self._origin) // self._size) * self._size
        begin = max(self._origin + before, self._end)
        end = self._origin + after
        if end > begin:
            self.bytes += end - begin
            self._end = end

    def interrupt(self, start: int, length: int) -> None:
        """No piece reaches beyond the start; the next begins at the end."""
        self.bytes -= max(self._end - start, 0)
        self._origin = self._end = start + length


def add_up(lines: Iterable[str]) -> Extents:
    """Read ``qemu-img map --output=json``, which writes an extent a line.

    The lines are read one at a time: a large disk has millions.

    :raises ValueError: this is something else.
    """
    top = all_ = end = 0
    top_data, all_data = _Pieces(CLUSTER), _Pieces(CLUSTER)
    streamed = _Pieces(STREAM_CHUNK)
    for line in lines:
        text = line.strip().strip('[],')
        if not text:
            continue
        extent = json.loads(text)
        start, length = int(extent['start']), int(extent['length'])
        end = start + length
        if not extent.get('present', extent['data']):
            continue
        data = extent['data'] and not extent['zero']
        all_ += length
        if data:
            all_data.add(start, length)
        if not extent['depth']:
            top += length
            streamed.interrupt(start, length)
            if data:
                top_data.add(start, length)
        elif data:
            streamed.add(start, length)
    streamed.interrupt(end, 0)
    return Extents(
        top=top,
        top_data=top_data.bytes,
        all=all_,
        all_data=all_data.bytes,
        flat_data=top_data.bytes + streamed.bytes,
    )
