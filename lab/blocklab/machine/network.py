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

from collections.abc import Iterator
import os
from pathlib import Path

from pyroute2 import NetNS
from pyroute2 import netns

from blocklab.machine import subprocesses
from blocklab.machine.errors import BadInput
from blocklab.machine.errors import CommandFailed
from blocklab.machine.host import Host
from blocklab.machine.layout import HostLayout
from blocklab.machine.layout import Layout

MANAGEMENT_BRIDGE = 'br-mgmt'
TUNNEL_BRIDGE = 'br-tun'

# What each host has of its own: path in the host -> directory of the lab.
_OWN = {
    '/etc/libvirt': 'libvirt/etc',
    '/var/lib/libvirt': 'libvirt/lib',
    '/var/log/libvirt': 'libvirt/log',
    '/var/cache/libvirt': 'libvirt/cache',
    '/var/lib/nova': 'nova',
    '/run': 'run',
}
# What some service expects to be there.
_NEEDED = (
    'nova/instances',
    'run/libvirt',
    'run/lock',
    'run/mysqld',
    'run/openvswitch',
    'run/ovn',
)


def exists(layout: Layout) -> bool:
    """Whether every namespace of the lab is there."""
    return _complete(layout).exists() and all(
        host.network_namespace.exists()
        and _is_mounted(host.mount_namespace)
        and _is_mounted(host.uts_namespace)
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


def create(layout: Layout) -> None:
    """Make the namespaces, links and private mounts of all hosts."""
    _private_mount(layout.namespaces)
    for host in layout.hosts:
        netns.create(host.namespace)
        _mount_namespace(host)
    _bridges(layout.controller)
    for host in layout.computes:
        _link(host, layout.controller)
    _complete(layout).touch()


def _complete(layout: Layout) -> Path:
    # Says that `create` was not cut short.
    return layout.namespaces / 'complete'


def _private_mount(directory: Path) -> None:
    # A mount namespace can be kept in a file only where mounts do not
    # propagate: unshare(1), --mount.
    directory.mkdir(parents=True, exist_ok=True)
    if not _is_mounted(directory):
        subprocesses.run(
            'Mounting', ['mount', '--bind', '--make-private', directory,
                         directory]
        )  # fmt: skip


def _mount_namespace(host: HostLayout) -> None:
    for directory in (*_OWN.values(), *_NEEDED):
        (host.directory / directory).mkdir(parents=True, exist_ok=True)
    for file in (host.mount_namespace, host.uts_namespace):
        file.touch()
    _unshare(host)
    inside = Host(host)
    _forget_other_namespaces(inside)
    # What /sys shows of the network belongs to whoever mounted it.
    inside.run(['umount', '--lazy', '/sys'])
    inside.run(['mount', '-t', 'sysfs', 'sysfs', '/sys'])
    for place, directory in _OWN.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        inside.run(['mount', '--bind', host.directory / directory, place])
    inside.run(['mount', '--bind', host.directory / 'hosts', '/etc/hosts'])


def _unshare(host: HostLayout) -> None:
    """Make the namespaces of a host that are kept in files.

    Linux lets a mount namespace be kept only beneath an older one, and since
    6.18 tells by numbers that rise on each processor by themselves. Where
    the lab does not run in the machine's first mount namespace, only the
    processor that made that one is sure to do.
    """
    processors = sorted(os.sched_getaffinity(0))
    for processor in processors:
        try:
            subprocesses.run(
                f'Making the namespaces of {host.name}',
                [
                    'taskset',
                    '-c',
                    str(processor),
                    'nsenter',
                    f'--net={host.network_namespace}',
                    'unshare',
                    f'--mount={host.mount_namespace}',
                    f'--uts={host.uts_namespace}',
                    '--propagation=private',
                    'hostname',
                    host.name,
                ],
            )
        except CommandFailed:
            if processor == processors[-1]:
                raise
            for file in (host.mount_namespace, host.uts_namespace):
                if _is_mounted(file):
                    subprocesses.run('Unmounting', ['umount', file])
        else:
            return


def _forget_other_namespaces(inside: Host) -> None:
    # The new mount namespace starts as a copy; namespaces that are kept in
    # files would live on in it after their owner has removed them.
    kept = inside.run(
        ['findmnt', '--noheadings', '--list', '--output=TARGET,FSTYPE']
    )
    for line in kept.splitlines():
        target, _, kind = line.rpartition(' ')
        if kind == 'nsfs':
            inside.run(['umount', '--lazy', target.strip()])


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
    for mount in reversed(mounts_below(layout.state)):
        subprocesses.run('Unmounting', ['umount', '--lazy', mount])
    for host in layout.hosts:
        if host.network_namespace.exists():
            netns.remove(host.namespace)


def mounts_below(directory: Path) -> list[Path]:
    """What is mounted at or below a directory, in order of mounting."""
    return [
        place
        for place in _mount_points()
        if place == directory or directory in place.parents
    ]


def _mount_points() -> Iterator[Path]:
    for line in Path('/proc/self/mountinfo').read_text().splitlines():
        # Field 5 is the mount point, with octal escapes: proc(5).
        yield Path(line.split()[4].encode().decode('unicode_escape'))


def _is_mounted(place: Path) -> bool:
    return place in set(_mount_points())
