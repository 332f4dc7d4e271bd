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

"""The Nova releases that this package works with.

Nova counts its releases: 31 is OpenStack 2025.1. Beneath 31 the driver's
hooks have other signatures; above the newest release that our tests ran on
they may have moved.
"""

import importlib.metadata
import re

KNOWN_RELEASES = {
    31: '2025.1',
    32: '2025.2',
    33: '2026.1',
    34: '2026.2',
}
"""Nova's major version -> the OpenStack release, for what is tested."""

NATIVE_THREADS_SINCE = 34
"""First major version whose nova-compute runs in native threads by itself."""


def package_version() -> str:
    """The version of nova-blockmig, or ``unknown`` without metadata."""
    try:
        return importlib.metadata.version('nova-blockmig')
    except importlib.metadata.PackageNotFoundError:
        return 'unknown'


def major(nova_version: str) -> int | None:
    """Nova's major version, or None if the text does not tell.

    A checkout of Nova without its tags (a shallow clone) calls itself
    0.0.0 or 0.0.1.devN, which tells nothing about its age.
    """
    found = re.match(r'\d+', nova_version)
    return int(found[0]) or None if found else None


def refusal(nova_version: str) -> str | None:
    """Why the driver must not be loaded into this Nova; None if it may."""
    release = major(nova_version)
    oldest = min(KNOWN_RELEASES)
    if release is None or release >= oldest:
        return None
    return (
        f'nova-blockmig {package_version()} needs Nova {oldest} '
        f'({KNOWN_RELEASES[oldest]}) or newer, but this is Nova '
        f'{nova_version}. Upgrade Nova, or set '
        'compute_driver = libvirt.LibvirtDriver.'
    )


def caution(nova_version: str) -> str | None:
    """What an operator should know of this Nova; None if it is tested."""
    if major(nova_version) in KNOWN_RELEASES:
        return None
    tested = ', '.join(
        f'{release} ({name})' for release, name in KNOWN_RELEASES.items()
    )
    return (
        f'nova-blockmig {package_version()} has not been tested with Nova '
        f'{nova_version}, only with {tested}. Check for a newer release of '
        'nova-blockmig before relying on block migration.'
    )
