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

"""The records that the guest writes on its serial console."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Boot:
    """The guest started. `id` is the kernel's random boot identifier."""

    id: str
    kernel: str
    memory_kib: int


@dataclass(frozen=True)
class Disk:
    """A disk that the guest found.

    :ivar disk: name of the device in the guest; vda2 is the second
        partition of the root disk.
    :ivar kind: ext4, xfs, vfat, swap, iso9660 or unknown.
    :ivar bytes: size in bytes.
    """

    disk: str
    kind: str
    bytes: int
    label: str


@dataclass(frozen=True)
class Config:
    """The config drive at the boot: SHA-256 of it, never its content."""

    disk: str
    device: str
    meta_data: str


@dataclass(frozen=True)
class Network:
    """DHCP answered. `address` is in CIDR form."""

    dev: str
    address: str


@dataclass(frozen=True)
class Recovered:
    """After a reboot: what of the last boot's files is still right."""

    disk: str
    files: int
    verified: int
    mismatches: int


@dataclass(frozen=True)
class Tick:
    """One look at one disk, with the caches dropped.

    :ivar tick: number of the round since the boot.
    :ivar check: files, what the writer wrote, or static, what nobody
        should change: the config drive, what mkfs left, memory in swap.
    :ivar files: how many things were read again in this round.
    :ivar verified: how many of them were right.
    :ivar mismatches: how many were wrong, in all rounds since the boot.
    """

    tick: int
    disk: str
    check: str
    files: int
    verified: int
    mismatches: int


@dataclass(frozen=True)
class Mismatch:
    """Something reads differently from what was written; said once.

    :ivar file: the writer's file, or device (the whole config drive),
        signature (what mkfs wrote) or memory (what was moved to swap).
    """

    tick: int
    disk: str
    file: str


@dataclass(frozen=True)
class Error:
    """The guest could not do what `what` names. Tick 0 is the boot."""

    tick: int
    disk: str
    what: str


@dataclass(frozen=True)
class ReplyPart:
    """A piece of a command's output. `data` is base64."""

    id: str
    part: int
    data: str


@dataclass(frozen=True)
class ReplyEnd:
    """A command ended. `parts` pieces of output came before."""

    id: str
    parts: int
    status: int


@dataclass(frozen=True)
class KernelError:
    """A line of the kernel about a disk or a file system going wrong."""

    line: str


@dataclass(frozen=True)
class Unreadable:
    """A record that the kernel's output cut in two."""

    line: str


Record = (
    Boot
    | Disk
    | Config
    | Network
    | Recovered
    | Tick
    | Mismatch
    | Error
    | ReplyPart
    | ReplyEnd
    | KernelError
    | Unreadable
)
