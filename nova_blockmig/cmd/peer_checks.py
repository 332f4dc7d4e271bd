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

"""The checks of ``nova-blockmig-status`` between this host and another."""

from concurrent import futures
import errno
import functools
import socket
import time
from typing import Any

from nova import rpc

from nova_blockmig.cmd import bus
from nova_blockmig.cmd import bus_access
from nova_blockmig.compute import host_facts as facts_here
from nova_blockmig.core import host_facts
from nova_blockmig.core import host_findings
from nova_blockmig.core import operator_errors

PORTS = (49152, 49215)
"""qemu.conf's migration_port_min and migration_port_max, as they come."""
_PORT_SECONDS = 2
_BUS_SECONDS = 10.0
# What a host says that listens to nothing there, but is not kept from us.
_REACHED = (errno.ECONNREFUSED,)


class Peers:
    """The other hosts, each asked once over the message bus."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._known: dict[str, tuple[host_facts.HostFacts, float, float]] = {}

    @functools.cached_property
    def _bus(self) -> bus.Bus:
        bus_access.knock()
        if rpc.TRANSPORT is None:
            # As nova.config.parse_args does, which this program does not call.
            rpc.set_defaults(control_exchange='nova')
            rpc.init(self._config)
        return bus.Bus(timeout=_BUS_SECONDS)

    def _ask(self, name: str) -> tuple[host_facts.HostFacts, float, float]:
        """Its facts, and our clock before and after."""
        if name not in self._known:
            hosts = self._bus  # connected before the clock is looked at
            hosts.facts(name)
            before = time.time()
            facts = hosts.facts(name)
            self._known[name] = facts, before, time.time()
        return self._known[name]

    def settings(self, name: str) -> host_findings.Finding:
        """Whether the settings and releases of a host suit ours."""
        try:
            there, _, _ = self._ask(name)
        except operator_errors.OperatorError as error:
            return host_findings.Finding(
                host_findings.Level.CARE,
                f'Not compared: {error}. Use the name that Nova has for the '
                'host, and check that it runs nova-blockmig.',
            )
        return host_facts.compare(facts_here.here(), there)

    def clock(self, name: str) -> host_findings.Finding:
        """How far its clock is from ours."""
        try:
            there, before, after = self._ask(name)
        except operator_errors.OperatorError:
            return host_findings.Finding(
                host_findings.Level.CARE, 'Not compared, see above.'
            )
        return host_facts.clocks(name, before, there.now, after)


def ports(name: str) -> host_findings.Finding:
    """Whether the ports of the other host's QEMU can be reached from here."""
    every = range(PORTS[0], PORTS[1] + 1)
    with futures.ThreadPoolExecutor(len(every)) as pool:
        reached = pool.map(functools.partial(_reached, name), every)
        silent = [
            port for port, is_ in zip(every, reached, strict=True) if not is_
        ]
    return host_facts.ports(name, PORTS, silent)


def _reached(host: str, port: int) -> bool:
    """Somebody listens, or the host itself says that nobody does."""
    try:
        socket.create_connection((host, port), _PORT_SECONDS).close()
    except OSError as error:
        return error.errno in _REACHED
    return True
