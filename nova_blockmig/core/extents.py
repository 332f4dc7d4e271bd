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

# What QEMU copies at once: a cluster of Nova's overlays, and the granularity
# of its mirror. A hole within one travels with the rest of it.
CLUSTER = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Extents:
    """How much of a disk is there.

    A stretch that is there may be known to hold zeroes: libvirt's job counts
    it, and a mark of it travels.

    :ivar top: what the file itself has.
    :ivar top_data: what of that is not zeroes, in whole clusters.
    :ivar all: what the file and its backing files have.
    :ivar all_data: likewise.
    """

    top: int = 0
    top_data: int = 0
    all: int = 0
    all_data: int = 0

    def copied(self, *, whole: bool) -> tuple[int, int]:
        """What libvirt's job counts, and what of that travels as data.

        :param whole: whether the content of the backing files is copied too.
        """
        if whole:
            return self.all, self.all_data
        return self.top, self.top_data


class _Clusters:
    """How many bytes the clusters of some stretches have, in their order."""

    def __init__(self) -> None:
        self.bytes = 0
        self._next = 0

    def add(self, start: int, length: int) -> None:
        first = max(start // CLUSTER, self._next)
        end = -(-(start + length) // CLUSTER)
        if end > first:
            self.bytes += (end - first) * CLUSTER
            self._next = end


def add_up(lines: Iterable[str]) -> Extents:
    """Read ``qemu-img map --output=json``, which writes an extent a line.

    The lines are read one at a time: a large disk has millions.

    :raises ValueError: this is something else.
    """
    top = all_ = 0
    top_data, all_data = _Clusters(), _Clusters()
    for line in lines:
        text = line.strip().strip('[],')
        if not text:
            continue
        extent = json.loads(text)
        if not extent.get('present', extent['data']):
            continue
        start, length = int(extent['start']), int(extent['length'])
        data = extent['data'] and not extent['zero']
        all_ += length
        if data:
            all_data.add(start, length)
        if not extent['depth']:
            top += length
            if data:
                top_data.add(start, length)
    return Extents(top, top_data.bytes, all_, all_data.bytes)
