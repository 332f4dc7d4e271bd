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

"""The options of "labctl up", for all sub-commands that bring a lab up.

Only the standard library is imported here; see `blocklab.commands.cli`.
"""

import argparse
from collections.abc import Mapping

from blocklab.machine import debian_nova
from blocklab.machine import layout as layouts
from blocklab.machine import mirrors
from blocklab.machine import releases
from blocklab.machine import roots
from blocklab.services import settings


def add(command: argparse.ArgumentParser) -> None:
    """Add them to a sub-command."""
    command.add_argument(
        '--release',
        default=releases.DEFAULT,
        help='OpenStack release: ' + ', '.join(releases.RELEASES)
        + ' (default: %(default)s)',
    )  # fmt: skip
    command.add_argument(
        '--driver',
        action='append',
        default=[],
        metavar='[HOST=]DRIVER',
        help="blockmig, or in-tree for Nova's own; for one compute host or "
        'both (default: blockmig)',
    )
    command.add_argument(
        '--concurrency',
        action='append',
        default=[],
        metavar='[HOST=]BACKEND',
        help='eventlet or threading, for nova-compute on one host or both '
        "(default: the release's own)",
    )
    command.add_argument(
        '--os',
        action='append',
        default=[],
        metavar='[HOST=]DEBIAN',
        help='bookworm or trixie: the Debian release of one compute host or '
        "both, with that release's libvirt, QEMU and Python (default: this "
        "machine's own); trixie-nova: with Debian's own package of Nova as "
        'well, and nova-blockmig as a Debian package (release 2025.1); a '
        'host must have no guests when it changes',
    )
    command.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='[HOST:]SECTION.OPTION=VALUE',
        help="a setting for one host's nova.conf, or for all three hosts'",
    )
    command.add_argument(
        '--with',
        action='append',
        choices=settings.OPTIONAL,
        default=[],
        dest='optional',
        help='cinder: volumes, on a file system that all hosts share',
    )


def choices(arguments: argparse.Namespace) -> settings.Choices:
    """What was chosen with the options of `add`.

    :raises BadInput: a choice does not exist.
    """
    release = releases.named(arguments.release)
    drivers = dict.fromkeys(layouts.COMPUTES, 'blockmig')
    systems = settings.per_host('--os', arguments.os, roots.SYSTEMS)
    cinder = 'cinder' in arguments.optional
    debian_nova.check(release.name, systems, cinder=cinder)
    return settings.Choices(
        release=release.name,
        drivers=drivers
        | settings.per_host('--driver', arguments.driver, settings.DRIVERS),
        concurrency=settings.per_host(
            '--concurrency', arguments.concurrency, settings.BACKENDS
        ),
        systems=with_roots(systems),
        extra=settings.extra_settings(arguments.set),
        cinder=cinder,
    )


def with_roots(systems: Mapping[str, str]) -> dict[str, str]:
    """Those hosts that need a root, because this machine runs another Debian.

    :param systems: host -> Debian release.
    """
    ours = mirrors.own()
    return {host: each for host, each in systems.items() if each != ours}
