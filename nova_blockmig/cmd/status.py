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

"""The program ``nova-blockmig-status``: is this host fit to take part?"""

from collections.abc import Callable
from collections.abc import Sequence
import functools
import sys
from typing import Any

import nova.conf
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_blockmig import conf
from nova_blockmig.cmd import host_checks
from nova_blockmig.cmd import peer_checks
from nova_blockmig.core import host_findings

OPTIONS: list[cfg.Opt] = [
    cfg.MultiStrOpt(
        'peer',
        default=[],
        metavar='HOST',
        help='Another compute host, by its name in Nova, to check from this '
        'host: its libvirtd, ports, settings and clock. May be given '
        'more than once.',
    ),
]


def _result(
    check: Callable[[], host_findings.Finding],
) -> Callable[[Any], upgradecheck.Result]:
    def run(commands: Any) -> upgradecheck.Result:
        found = check()
        return upgradecheck.Result(upgradecheck.Code(found.level), found.text)

    return run


class Checks(upgradecheck.UpgradeCommands):
    """The checks, in their order; the peers' are added once they are known."""

    def __init__(self, config: cfg.ConfigOpts) -> None:
        self._config = config

    def check(self) -> Any:
        """Run them all; the worst of their results."""
        config = self._config
        checks: list[tuple[str, Callable[[], host_findings.Finding]]] = [
            ('releases', host_checks.releases),
            ('driver', lambda: host_checks.driver(config)),
            ('libvirtd and flags', lambda: host_checks.libvirtd(config)),
            ('transport', lambda: host_checks.transport(config)),
            ('disks', host_checks.disks),
            ('config drive', lambda: host_checks.config_drive(config)),
            ('free space', lambda: host_checks.space(config)),
        ]
        peers = peer_checks.Peers(config)
        for name in config.peer:
            for what, check in (
                ('libvirtd', host_checks.peer),
                ('ports', peer_checks.ports),
                ('settings', peers.settings),
                ('clock', peers.clock),
            ):
                checks.append(
                    (f'{what} of {name}', functools.partial(check, name))
                )
        self._upgrade_checks = tuple(
            (name, _result(check)) for name, check in checks
        )
        return super().check()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks: 0 all is well, 1 look at it, 2 it does not work."""
    config = nova.conf.CONF
    conf.register_opts(config)
    config.register_cli_opts(OPTIONS)
    return int(
        upgradecheck.main(
            config,
            'nova',
            Checks(config),
            list(sys.argv[1:] if argv is None else argv),
        )
    )
