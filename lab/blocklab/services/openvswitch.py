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

"""Open vSwitch and OVN: their databases, and a compute host's bridges."""

import contextlib
from pathlib import Path
import time

from blocklab.machine.errors import CommandFailed
from blocklab.machine.errors import LabError
from blocklab.machine.host import Host
from blocklab.machine.layout import HostLayout
from blocklab.machine.layout import Layout

_SCHEMAS = {
    'nb': '/usr/share/ovn/ovn-nb.ovsschema',
    'sb': '/usr/share/ovn/ovn-sb.ovsschema',
    'switch': '/usr/share/openvswitch/vswitch.ovsschema',
}
TUNNEL_BRIDGE = 'br-phy'


def create_databases(layout: Layout) -> None:
    """Make the database files that are not there yet."""
    for name in ('nb', 'sb'):
        _create(
            Host(layout.controller), name, layout.state / 'ovn' / f'{name}.db'
        )
    for host in layout.computes:
        _create(Host(host), 'switch', host.directory / 'openvswitch.db')


def _create(host: Host, schema: str, database: Path) -> None:
    file = _SCHEMAS[schema]
    if database.exists():
        if schema != 'switch' or not _is_of_another(host, database, file):
            return
        try:
            host.run(['ovsdb-tool', 'convert', database, file])
        except CommandFailed:
            # An older release does not take a newer one's. No guest is on a
            # host that changes, so nothing in it is needed.
            database.unlink()
        else:
            return
    database.parent.mkdir(parents=True, exist_ok=True)
    host.run(['ovsdb-tool', 'create', database, file])


def _is_of_another(host: Host, database: Path, schema: str) -> bool:
    """Whether a database was made by another release of Open vSwitch."""
    said = host.run(['ovsdb-tool', 'needs-conversion', database, schema])
    return said.strip() == 'yes'


def identify(host: HostLayout, controller: HostLayout) -> None:
    """Tell the host's OVN who it is; ovsdb-server must run."""
    settings = {
        'system-id': host.name,
        'hostname': host.name,
        'ovn-remote': f'tcp:{controller.address}:6642',
        'ovn-encap-type': 'geneve',
        'ovn-encap-ip': str(host.tunnel_address),
        # The kernel may have no openvswitch module.
        'ovn-bridge-datapath-type': 'netdev',
    }
    Host(host).run(
        [
            'ovs-vsctl', '--no-wait', 'init', '--', 'set', 'open', '.',
            *(f'external-ids:{k}={v}' for k, v in settings.items()),
        ]
    )  # fmt: skip


def make_bridges(host: HostLayout) -> None:
    """Make the bridges and give the tunnel its address.

    To be done whenever ovs-vswitchd was started: the bridges' devices go
    with it. With a userspace datapath tunnels work only through a port of
    the same datapath, hence a bridge for eth1.
    """
    inside = Host(host)
    inside.run(
        [
            'ovs-vsctl',
            '--', '--may-exist', 'add-br', 'br-int',
            '--', 'set', 'bridge', 'br-int', 'datapath_type=netdev',
            'fail_mode=secure',
            '--', '--may-exist', 'add-br', TUNNEL_BRIDGE,
            '--', 'set', 'bridge', TUNNEL_BRIDGE, 'datapath_type=netdev',
            '--', '--may-exist', 'add-port', TUNNEL_BRIDGE, 'eth1',
        ]
    )  # fmt: skip
    for bridge in (TUNNEL_BRIDGE, 'br-int'):
        _wait_for_device(inside, bridge)
        inside.run(['ip', 'link', 'set', bridge, 'up'])
    address = f'{host.tunnel_address}/24'
    inside.run(['ip', 'addr', 'replace', address, 'dev', TUNNEL_BRIDGE])


def _wait_for_device(host: Host, name: str) -> None:
    # ovs-vsctl returns before a vswitchd that has just begun makes it.
    for _ in range(100):
        with contextlib.suppress(CommandFailed):
            host.run(['ip', 'link', 'show', 'dev', name])
            return
        time.sleep(0.1)
    raise LabError(
        f'Open vSwitch on {host.name} does not make the device {name}.',
        f'See "labctl logs ovs-vswitchd@{host.name}".',
    )
