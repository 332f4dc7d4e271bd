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

"""The checks of ``nova-blockmig-status``: this host's settings and libvirtd.

Each returns findings; nothing is changed, and libvirtd is only read from.
"""

from collections.abc import Iterator
import contextlib
import importlib
import os
import socket
from typing import Any
import urllib.parse

from nova import exception
from nova import version as nova_version
from nova.virt.libvirt import driver as libvirt_driver

from nova_blockmig import conf
from nova_blockmig import version
from nova_blockmig.compute import flags
from nova_blockmig.compute import images_type
from nova_blockmig.compute import known_versions
from nova_blockmig.core import host_findings
from nova_blockmig.core import known_bad
from nova_blockmig.host import files

MIB = 2**20
_PORTS = {'qemu+tcp': 16509, 'qemu+tls': 16514, 'qemu+ssh': 22}
_SECONDS = 5


class Unreachable(Exception):
    """libvirtd does not answer; ``str()`` says why."""


def releases() -> host_findings.Finding:
    """Nova's release, and our own."""
    nova = nova_version.version_string()
    if refusal := version.refusal(nova):
        return host_findings.Finding(host_findings.Level.BAD, refusal)
    if caution := version.caution(nova):
        return host_findings.Finding(host_findings.Level.CARE, caution)
    return host_findings.good(
        f'nova-blockmig {version.package_version()} with Nova {nova}.'
    )


def driver(config: Any) -> host_findings.Finding:
    """Which driver nova-compute loads."""
    return host_findings.driver(config.compute_driver)


def disks() -> host_findings.Finding:
    """Where the disks are."""
    return host_findings.images_type(images_type.effective())


def config_drive(config: Any) -> host_findings.Finding:
    """Whether a config drive can move."""
    return host_findings.config_drive(
        iso9660=config.config_drive_format == 'iso9660',
        forced=config.force_config_drive,
        inline_bytes=conf.policy(config).max_inline_bytes,
    )


def space(config: Any) -> host_findings.Finding:
    """Room for instances that come."""
    path = config.instances_path
    if not os.path.isdir(path):
        return host_findings.Finding(
            host_findings.Level.BAD,
            f'instances_path {path} is not a directory on this host. This '
            'command has to read the same configuration files as '
            'nova-compute (--config-file).',
        )
    reserved = config.reserved_host_disk_mb * MIB
    return host_findings.free_space(path, files.free_bytes(path), reserved)


def libvirtd(config: Any) -> host_findings.Finding:
    """The libvirtd of this host, and whether its versions take our flags."""
    uri = libvirt_driver.LibvirtDriver._uri()
    try:
        with connected(uri) as connection:
            found = connection.getLibVersion(), connection.getVersion()
    except Unreachable as error:
        return host_findings.Finding(
            host_findings.Level.BAD,
            f'libvirtd at {uri} does not respond: {error}. Start it, and run '
            'this command as a user that can access it, such as root.',
        )
    try:
        flags.block_migration_flags(
            _libvirt(),
            config.blockmig.block_migration_flag,
            computed=_computed(),
            libvirt_version=found[0],
            qemu_version=found[1],
            config=config,
        )
        flags.check_zero_detection(
            config.blockmig.migrate_disks_detect_zeroes, found[0], config
        )
    except exception.InvalidConfiguration as error:
        return host_findings.Finding(
            host_findings.Level.BAD, f'nova-compute would not start: {error}'
        )
    versions = 'libvirt {}, QEMU {}'.format(*map(_dotted, found))
    if defects := _defects(config, *found):
        return defects
    return host_findings.good(f'{versions} support the flags in use.')


def _defects(
    config: Any, libvirt_version: int, qemu_version: int
) -> host_findings.Finding | None:
    """What is known of these versions, whatever brings it out."""
    here = known_versions.versions(libvirt_version, qemu_version)
    when = set(known_bad.When)
    if not config.libvirt.live_migration_with_native_tls:
        when.discard(known_bad.When.TLS)
    names = config.blockmig.block_migration_flag or ()
    if not any('SYNCHRONOUS_WRITES' in name for name in names):
        when.discard(known_bad.When.SYNCHRONOUS_WRITES)
    entries = known_bad.found(here, when)
    if not entries:
        return None
    worst = known_bad.Action.REFUSE_START
    bad = any(entry.action is worst for entry in entries)
    return host_findings.Finding(
        host_findings.Level.BAD if bad else host_findings.Level.CARE,
        ' '.join(entry.sentence(here[entry.product]) for entry in entries),
    )


def _computed() -> int:
    """The flags that Nova computes from its own options."""

    class Flags(libvirt_driver.LibvirtDriver):
        """Nova's driver, without what it connects to."""

        def __init__(self) -> None:
            self._parse_migration_flags()

    return int(Flags()._block_migration_flags)


def transport(config: Any) -> host_findings.Finding:
    """How the other hosts are spoken to."""
    return host_findings.transport(
        config.libvirt.live_migration_scheme or '',
        libvirt_driver.LibvirtDriver._live_migration_uri('HOST'),
        native_tls=config.libvirt.live_migration_with_native_tls,
    )


def peer(name: str) -> host_findings.Finding:
    """The libvirtd of another host, from here, as a migration uses it."""
    uri = libvirt_driver.LibvirtDriver._live_migration_uri(name)
    try:
        _knock(uri)
        with connected(uri) as connection:
            version_ = _dotted(connection.getLibVersion())
    except (Unreachable, OSError) as error:
        return host_findings.Finding(
            host_findings.Level.BAD,
            f'{uri} does not respond: {error}. Instances cannot be migrated '
            'to that host; see "Configuring libvirt" in the administrator '
            'guide.',
        )
    return host_findings.good(f'{uri} responds with libvirt {version_}.')


def _knock(uri: str) -> None:
    """libvirt itself waits for minutes.

    :raises OSError: nobody listens.
    """
    parts = urllib.parse.urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme)
    if parts.hostname and port:
        socket.create_connection((parts.hostname, port), _SECONDS).close()


@contextlib.contextmanager
def connected(uri: str) -> Iterator[Any]:
    """A connection to a libvirtd, which only reads.

    :raises Unreachable: there is none.
    """
    libvirt = _libvirt()
    if uri.startswith('qemu+ssh:'):
        uri += ('&' if '?' in uri else '?') + 'no_tty=1'  # never ask
    libvirt.registerErrorHandler(lambda *_: None, None)
    try:
        connection = libvirt.openReadOnly(uri)
    except libvirt.libvirtError as error:
        raise Unreachable(str(error).strip()) from error
    try:
        yield connection
    finally:
        connection.close()


def _libvirt() -> Any:
    """libvirt's module, where Nova's driver has it.

    Nova 31 and 32 import it when a driver is made, which nobody here does.
    """
    if libvirt_driver.libvirt is None:
        libvirt_driver.libvirt = importlib.import_module('libvirt')
    return libvirt_driver.libvirt


def _dotted(number: int) -> str:
    return f'{number // 10**6}.{number // 1000 % 1000}.{number % 1000}'
