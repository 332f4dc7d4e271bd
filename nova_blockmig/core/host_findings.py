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

"""Whether a compute host is fit to take part, and what to do if not.

Sizes are in bytes. Each rule takes values and gives one finding.
"""

import dataclasses
import enum

from nova_blockmig.core import verdict

DRIVER = 'nova_blockmig.LibvirtDriver'
_FILE_BACKENDS = ('qcow2', 'raw')


class Level(enum.IntEnum):
    """How much it matters; the numbers are those of oslo.upgradecheck."""

    GOOD = 0
    CARE = 1
    BAD = 2


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it."""

    level: Level
    text: str


def good(text: str) -> Finding:
    """All is well."""
    return Finding(Level.GOOD, text)


def driver(configured: str | None) -> Finding:
    """Which driver nova-compute loads."""
    if configured == DRIVER:
        return good(f'compute_driver is {DRIVER}.')
    return Finding(
        Level.CARE,
        f'compute_driver is {configured}: block migrations use the in-tree '
        f'driver. Set compute_driver = {DRIVER} in [DEFAULT] and restart '
        'nova-compute.',
    )


def images_type(effective: str) -> Finding:
    """Where the disks are; the destination must have the same."""
    if effective in _FILE_BACKENDS:
        return good(
            f'[libvirt] images_type is {effective}; it must be the same on '
            'all hosts.'
        )
    return Finding(
        Level.CARE,
        f'[libvirt] images_type is {effective}: nova-blockmig handles only '
        'disks that are files and leaves all others to Nova.',
    )


def transport(scheme: str, uri: str, *, native_tls: bool) -> Finding:
    """How libvirt and QEMU speak with the other hosts.

    :param scheme: ``live_migration_scheme``; empty if it is not set.
    :param uri: what is used for a destination, with its name in it.
    """
    if native_tls:
        return good(f'{uri} for libvirt, and TLS for memory and disks.')
    clear = uri.startswith('qemu+tcp:')
    what = 'libvirt, memory and disk' if clear else 'memory and disk'
    return Finding(
        Level.CARE,
        f'{uri}: {what} traffic is not encrypted. Use a dedicated network '
        '(live_migration_inbound_addr), or set '
        'live_migration_with_native_tls and install certificates.',
    )


def free_space(path: str, free: int, reserved: int) -> Finding:
    """Room for instances that come.

    :param reserved: ``reserved_host_disk_mb``, in bytes.
    """
    told = f'{verdict.human(free)} is free in {path}'
    if free > reserved:
        return good(f'{told}, of which {verdict.human(reserved)} is reserved.')
    return Finding(
        Level.CARE,
        f'{told}, but reserved_host_disk_mb reserves '
        f'{verdict.human(reserved)}: no instance can be migrated to this '
        'host. Free some space, or move instances away.',
    )


def config_drive(*, iso9660: bool, forced: bool, inline_bytes: int) -> Finding:
    """Whether a config drive can move.

    :param inline_bytes: how much content may travel in the message.
    """
    if iso9660 and not inline_bytes:
        level = Level.BAD if forced else Level.CARE
        return Finding(
            level,
            'config drives are iso9660 and [blockmig] max_inline_bytes is 0: '
            'instances with a config drive are refused. Set max_inline_bytes '
            'to a value above 0.',
        )
    kind = 'iso9660' if iso9660 else 'vfat'
    return good(f'config drives are {kind} and can be migrated.')
