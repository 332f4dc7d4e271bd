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

"""Which file it is, and whether a guest's QEMU reads it.

A name says little of a file. Nova's image cache removes a base that it takes
for unused, under a running guest too (of several ephemeral disks it keeps the
base of the first only), and makes another of the same name when the next
instance needs one: another file system, with another UUID. QEMU goes on
reading the one that it opened.
"""

import dataclasses

Key = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class FileIdentity:
    """What tells one file, and one state of it, from another.

    :ivar device: that the file system is on.
    :ivar inode: of the file.
    :ivar size_bytes: its length, holes counted.
    :ivar birth_ns: when it was made, in ns since 1970; None if the file
        system does not say.
    :ivar mtime_ns: last change of its content, or a touch.
    :ivar ctime_ns: last change of it in any way.
    """

    device: int
    inode: int
    size_bytes: int
    birth_ns: int | None
    mtime_ns: int
    ctime_ns: int

    @property
    def key(self) -> Key:
        """What stays the same for as long as the content does.

        Nova touches a base at every overlay that it makes on it, and
        whenever its image cache manager has run, which cannot be told from
        writing. But it never writes to one: another content comes as another
        file. So the times count only where it is not known when the file was
        made.
        """
        if self.birth_ns is None:
            return self.strict_key
        return (self.device, self.inode, self.size_bytes, self.birth_ns)

    @property
    def strict_key(self) -> Key:
        """What changes at the latest when anything about the file does."""
        return (
            self.device,
            self.inode,
            self.size_bytes,
            self.birth_ns,
            self.mtime_ns,
            self.ctime_ns,
        )


def older_than_overlay(base: FileIdentity, overlay: FileIdentity) -> bool:
    """Whether the base was there before its overlay was made.

    QEMU opened both after that, so the base that has the name now is the one
    that it opened. False if that is not known. Times of two file systems may
    come from two clocks and are not compared.
    """
    return (
        base.device == overlay.device
        and base.birth_ns is not None
        and overlay.birth_ns is not None
        and base.birth_ns <= overlay.birth_ns
    )


def older_than_process(base: FileIdentity, started_ns: int | None) -> bool:
    """Whether the base was there before a guest's QEMU was started.

    An overlay may be younger than its guest's base and yet have come first:
    a cold migration copies it, and fetches the base afterwards. False if
    either time is not known.
    """
    return (
        base.birth_ns is not None
        and started_ns is not None
        and base.birth_ns <= started_ns
    )
