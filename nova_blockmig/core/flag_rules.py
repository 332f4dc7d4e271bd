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

"""What block_migration_flag may say: one rule for each libvirt flag.

The flags are those of ``virDomainMigrateFlags`` up to libvirt 12. What
libvirt does with those that are refused was measured; the record is in
``doc/source/configuration/block-migration-flag.rst``.
"""

import dataclasses
import enum

PREFIX = 'VIR_MIGRATE_'


class Say(enum.StrEnum):
    """Who decides whether a flag is used."""

    REQUIRED = 'required'
    """The list must name it."""
    LISTED = 'listed'
    """The list decides alone, also against Nova's default."""
    ALLOWED = 'allowed'
    """The list may add it."""
    NOVA = "Nova's"
    """Nova decides; naming it where Nova sets it anyway does no harm."""
    REFUSED = 'refused'
    """Never with this driver."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """Who decides about one flag, and why.

    :ivar name: the flag without ``VIR_MIGRATE_``.
    :ivar reason: why, to follow the flag's name in a sentence.
    :ivar libvirt: oldest libvirt that has it, as ``virGetVersion`` counts
        (major * 1000000 + minor * 1000 + release); 0: all that Nova takes.
    :ivar qemu: oldest QEMU that has it, in the same way of counting.
    """

    name: str
    say: Say
    reason: str
    libvirt: int = 0
    qemu: int = 0

    @property
    def flag(self) -> str:
        """The name as libvirt has it."""
        return PREFIX + self.name


def _nova(name: str, option: str) -> Rule:
    return Rule(name, Say.NOVA, f'is set with [libvirt] {option}')


RULES = (
    Rule(
        'LIVE',
        Say.LISTED,
        'keeps the guest running while its memory is copied',
    ),
    Rule(
        'PEER2PEER',
        Say.REQUIRED,
        'must be in the list: libvirt refuses to migrate for Nova without it',
    ),
    Rule(
        'TUNNELLED',
        Say.REFUSED,
        'cannot be used for copying disks: use [libvirt] '
        'live_migration_with_native_tls to encrypt migrations',
    ),
    Rule(
        'PERSIST_DEST',
        Say.NOVA,
        'is always set by Nova, so that the guest stays defined on the '
        'destination',
    ),
    Rule(
        'UNDEFINE_SOURCE',
        Say.REQUIRED,
        'must be in the list: without it the guest stays defined on the '
        'source, where it could be started a second time on a stale disk',
    ),
    Rule(
        'PAUSED',
        Say.REFUSED,
        'leaves the guest paused on the destination, where Nova expects it '
        'to run',
    ),
    Rule(
        'NON_SHARED_DISK',
        Say.LISTED,
        'copies each disk together with its backing files',
    ),
    Rule('NON_SHARED_INC', Say.LISTED, 'copies the overlay of each disk'),
    Rule(
        'CHANGE_PROTECTION',
        Say.ALLOWED,
        'changes nothing: libvirt protects a peer-to-peer migration anyway',
    ),
    Rule(
        'UNSAFE',
        Say.REFUSED,
        'disables the check by which libvirt detects disks that are not '
        'copied',
    ),
    Rule(
        'OFFLINE',
        Say.REFUSED,
        'moves the definition without the guest: libvirt reports success '
        'while the guest still runs on the source',
    ),
    Rule(
        'COMPRESSED',
        Say.ALLOWED,
        'compresses memory; disks are sent as they are',
    ),
    Rule(
        'ABORT_ON_ERROR',
        Say.ALLOWED,
        'aborts the migration if an I/O error occurs on a disk of the guest',
    ),
    _nova('AUTO_CONVERGE', 'live_migration_permit_auto_converge'),
    Rule(
        'RDMA_PIN_ALL',
        Say.REFUSED,
        'needs an rdma:// address, and Nova migrates over tcp://',
    ),
    _nova('POSTCOPY', 'live_migration_permit_post_copy'),
    _nova('TLS', 'live_migration_with_native_tls'),
    _nova('PARALLEL', 'live_migration_parallel_connections'),
    Rule(
        'NON_SHARED_SYNCHRONOUS_WRITES',
        Say.ALLOWED,
        'makes guest writes wait until they are on the destination too, so '
        'that the copy of the disks always completes',
        libvirt=8000000,
    ),
    Rule(
        'POSTCOPY_RESUME',
        Say.REFUSED,
        'resumes an interrupted post-copy migration and cannot start one',
        libvirt=8005000,
    ),
    Rule(
        'ZEROCOPY',
        Say.ALLOWED,
        "locks the guest's memory on the source while it is sent",
        libvirt=8005000,
        qemu=7001000,
    ),
)

BY_FLAG = {rule.flag: rule for rule in RULES}
