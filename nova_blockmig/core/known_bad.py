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

"""Versions of QEMU and libvirt that may harm a guest in a block migration.

The one table: nova-compute's start, the checks and the documentation read it.
A version that is not in it is not known to be good, only not known to be bad.
"""

from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
import enum

Version = tuple[int, int, int]


class Product(enum.StrEnum):
    """What a version is of."""

    QEMU = 'QEMU'
    LIBVIRT = 'libvirt'


class When(enum.StrEnum):
    """The configuration or event that a defect needs."""

    ALWAYS = 'in every block migration of a running guest'
    FLATTEN = 'when a disk is flattened'
    SYNCHRONOUS_WRITES = (
        'with VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES in '
        '[blockmig] block_migration_flag'
    )
    TLS = 'with [libvirt] live_migration_with_native_tls = true'
    PAUSED = 'when a guest that arrived paused is migrated again'
    INCOMING = 'on the destination, while a guest arrives'


class Action(enum.StrEnum):
    """What nova-blockmig does about it."""

    WARN = 'a warning when nova-compute starts'
    WARN_THEN = 'a warning when it happens'
    REFUSE_START = 'nova-compute does not start'
    REFUSE_MIGRATION = 'the migration is refused before anything moves'


@dataclasses.dataclass(frozen=True)
class KnownBad:
    """One defect.

    :ivar since: first version that has it.
    :ivar fixed: first version that does not.
    :ivar fixed_in: versions of older branches that were mended as well:
        ``(10, 0, 8)`` means 10.0.8 and later 10.0.x.
    :ivar consequence: what may happen, in one clause.
    :ivar remedy: what an operator can do.
    :ivar source: where it was reported or mended.
    """

    name: str
    product: Product
    since: Version
    fixed: Version
    when: When
    action: Action
    consequence: str
    remedy: str
    source: str
    fixed_in: tuple[Version, ...] = ()

    def affects(self, version: Version) -> bool:
        """Whether a version has the defect."""
        if not self.since <= version < self.fixed:
            return False
        return not any(
            version[:2] == mended[:2] and version >= mended
            for mended in self.fixed_in
        )

    def sentence(self, version: Version) -> str:
        """What is wrong and what to do, for the log."""
        return (
            f'{self.product} {dotted(version)} has a known defect '
            f'{self.when}: {self.consequence}; {self.remedy} ({self.source})'
        )


TABLE: tuple[KnownBad, ...] = (
    KnownBad(
        name='mirror-forgets-writes',
        product=Product.QEMU,
        since=(8, 0, 0),
        fixed=(11, 0, 0),
        fixed_in=((10, 0, 8),),
        when=When.ALWAYS,
        action=Action.WARN,
        consequence='writes in flight when the copy of a disk starts may be '
        'missing on the destination',
        remedy='install a QEMU that has the fix, or pause the instance '
        'before the migration and unpause it afterwards',
        source='QEMU issue 3273, fixed by commit 167ef239fb',
    ),
    KnownBad(
        name='discard-during-stream',
        product=Product.QEMU,
        since=(0, 0, 0),
        fixed=(11, 0, 0),
        fixed_in=((10, 0, 11),),
        when=When.FLATTEN,
        action=Action.WARN_THEN,
        consequence='a discard by the guest that coincides with a write '
        'during the flattening may corrupt the qcow2 disk',
        remedy='install a QEMU that has the fix, or pause the instance while '
        'it is flattened',
        source='QEMU commit "qcow2: Fix corruption on discard during write '
        'with COW"; which older versions have the defect is not known',
    ),
    KnownBad(
        name='active-mirror-aborts',
        product=Product.QEMU,
        since=(10, 1, 0),
        fixed=(11, 0, 0),
        when=When.SYNCHRONOUS_WRITES,
        action=Action.REFUSE_START,
        consequence='a short write of zeroes by the guest makes QEMU abort, '
        'which ends the guest',
        remedy='remove the flag, or install a QEMU that has the fix',
        source='QEMU commit 4a7b1bd18d',
    ),
    KnownBad(
        name='paused-twice',
        product=Product.QEMU,
        since=(0, 0, 0),
        fixed=(10, 0, 0),
        when=When.PAUSED,
        action=Action.REFUSE_MIGRATION,
        consequence='QEMU crashes on both hosts if the guest has a disk that '
        'is not copied: a config drive, a volume or UEFI firmware',
        remedy='unpause the instance before the migration',
        source='measured with QEMU 7.2; bdrv_inactivate_recurse',
    ),
    KnownBad(
        name='tls-rekeying',
        product=Product.LIBVIRT,
        since=(0, 0, 0),
        fixed=(11, 6, 0),
        when=When.TLS,
        action=Action.WARN,
        consequence='GnuTLS may crash the QEMU of the source in a long copy',
        remedy='install libvirt 11.6.0 or later and set migrate_tls_priority '
        'in qemu.conf as its release notes describe',
        source='release notes of libvirt 11.6.0',
    ),
    KnownBad(
        name='xml-of-incoming-guests',
        product=Product.LIBVIRT,
        since=(11, 0, 0),
        fixed=(11, 5, 0),
        when=When.INCOMING,
        action=Action.WARN,
        consequence='reading the XML of the incoming domain may time out, so '
        'that the compute node record is not updated until the '
        'guest has arrived',
        remedy='install libvirt 11.5.0 or later',
        source='release notes of libvirt 11.5.0',
    ),
)


def named(name: str) -> KnownBad:
    """The entry of that name."""
    return next(entry for entry in TABLE if entry.name == name)


def version(number: int) -> Version:
    """What libvirt's version number means: 1000000 x major + 1000 x minor."""
    return number // 1_000_000, number // 1_000 % 1_000, number % 1_000


def dotted(number: Version) -> str:
    """``10.0.8``."""
    return '.'.join(map(str, number))


def found(
    versions: Mapping[Product, Version], conditions: Collection[When]
) -> tuple[KnownBad, ...]:
    """The defects of these versions that these conditions bring out.

    :param versions: a product that is not there has no known defect.
    :param conditions: what the configuration, or the moment, has.
    """
    return tuple(
        entry
        for entry in TABLE
        if entry.product in versions
        and entry.when in conditions
        and entry.affects(versions[entry.product])
    )
