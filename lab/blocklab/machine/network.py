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

"""The hosts' namespaces and the two networks between them.

Everything is inside namespaces: the management network is a bridge in the
controller's network namespace with one veth pair per compute host, and so
is the tunnel network. The machine's own network is left alone.
"""

from collections.abc import Mapping
from pathlib import Path

from pyroute2 import NetNS
from pyroute2 import netns

from blocklab.machine import mounts
from blocklab.machine import subprocesses
from blocklab.machine.errors import BadInput
from blocklab.machine.host import Host
from blocklab.machine.layout import HostLayout
from blocklab.machine.layout import Layout

# host -> Debian release
Systems = Mapping[str, str]

MANAGEMENT_BRIDGE = 'br-mgmt'
TUNNEL_BRIDGE = 'br-tun'


def exists(layout: Layout) -> bool:
    """Whether every namespace of the lab is there."""
    return _complete(layout).exists() and all(
        host.network_namespace.exists()
        and mounts.is_mounted(host.mount_namespace)
        and mounts.is_mounted(host.uts_namespace)
        for host in layout.hosts
    )


def taken(layout: Layout) -> list[Path]:
    """The network namespaces of the lab's names that are there."""
    return [
        host.network_namespace
        for host in layout.hosts
        if host.network_namespace.exists()
    ]


def refuse_foreign(layout: Layout) -> None:
    """Make sure that no namespace of somebody else has our names.

    :raises BadInput: one has.
    """
    if found := taken(layout):
        raise BadInput(
            f'The network namespace {found[0].name} exists already and was '
            f'not made by this lab.',
            'Choose another name for the lab with --name, or remove the '
            f'namespace with "ip netns delete {found[0].name}".',
        )


def create(layout: Layout, systems: Systems) -> None:
    """Make the namespaces, links and private mounts of all hosts.

    :param systems: host -> Debian release, of those with another root.
    """
    mounts.make_private(layout.namespaces)
    for host in layout.hosts:
        netns.create(host.namespace)
        mounts.create(host, systems.get(host.name))
    _bridges(layout.controller)
    for host in layout.computes:
        _link(host, layout.controller)
    _complete(layout).touch()


def _complete(layout: Layout) -> Path:
    # Says that `create` was not cut short.
    return layout.namespaces / 'complete'


def _bridges(controller: HostLayout) -> None:
    with NetNS(controller.namespace) as links:
        _up(links, 'lo')
        for bridge in (MANAGEMENT_BRIDGE, TUNNEL_BRIDGE):
            links.link('add', ifname=bridge, kind='bridge')
            _up(links, bridge)
        links.addr(
            'add',
            index=_index(links, MANAGEMENT_BRIDGE),
            address=controller.address,
            prefixlen=24,
        )


def _link(host: HostLayout, controller: HostLayout) -> None:
    peers = {
        'eth0': (f'm-{host.name}', MANAGEMENT_BRIDGE),
        'eth1': (f't-{host.name}', TUNNEL_BRIDGE),
    }
    with NetNS(host.namespace) as links:
        _up(links, 'lo')
        for name, (peer, _) in peers.items():
            links.link(
                'add',
                ifname=name,
                kind='veth',
                peer={'ifname': peer, 'net_ns_fd': controller.namespace},
            )
            _up(links, name)
        links.addr(
            'add',
            index=_index(links, 'eth0'),
            address=host.address,
            prefixlen=24,
        )
    with NetNS(controller.namespace) as links:
        for peer, bridge in peers.values():
            links.link(
                'set',
                index=_index(links, peer),
                master=_index(links, bridge),
                state='up',
            )
    # A userspace datapath sees packets whose checksum nobody filled in.
    Host(host).run(['ethtool', '-K', 'eth1', 'tx', 'off'])
    Host(controller).run(['ethtool', '-K', peers['eth1'][0], 'tx', 'off'])


def _index(links: NetNS, name: str) -> int:
    return int(links.link_lookup(ifname=name)[0])


def _up(links: NetNS, name: str) -> None:
    links.link('set', index=_index(links, name), state='up')


def remove(layout: Layout) -> None:
    """Remove every namespace, mount and link of the lab.

    The processes in them must be gone; see `blocklab.services.processes`.
    """
    _complete(layout).unlink(missing_ok=True)
    for mount in reversed(mounts.below(layout.state)):
        subprocesses.run('Unmounting', ['umount', '--lazy', mount])
    for host in layout.hosts:
        if host.network_namespace.exists():
            netns.remove(host.namespace)
