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

"""How far the disks of a migration are. Every size is in bytes."""

from collections.abc import Iterable
import dataclasses


@dataclasses.dataclass(frozen=True)
class Progress:
    """Bytes done of bytes in all.

    QEMU's figures of a block job: the total grows as long as the guest
    writes, and what is done never exceeds it.
    """

    done_bytes: int = 0
    total_bytes: int = 0

    @property
    def left_bytes(self) -> int:
        """What is still to be done."""
        return self.total_bytes - self.done_bytes

    def finished(self) -> 'Progress':
        """The same with nothing left."""
        return Progress(self.total_bytes, self.total_bytes)


def overall(before: Progress, parts: Iterable[Progress]) -> Progress:
    """The sum of all disks, as a client is to see it.

    Neither figure ever falls: a job that libvirt has ended is no longer
    reported, and one that has not begun is not reported yet.

    :param before: what was shown the last time.
    :param parts: what is known of each disk now.
    """
    parts = tuple(parts)
    total = max(before.total_bytes, sum(p.total_bytes for p in parts))
    done = max(before.done_bytes, sum(p.done_bytes for p in parts))
    return Progress(min(done, total), total)
