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

"""The services of a compute host."""

from collections.abc import Iterator
from pathlib import Path

from blocklab.machine import debian_nova
from blocklab.machine import roots
from blocklab.machine import venvs
from blocklab.machine.layout import HostLayout
from blocklab.machine.layout import Layout
from blocklab.machine.releases import Release
from blocklab.services.service import Alive
from blocklab.services.service import Service
from blocklab.services.service import Tcp
from blocklab.services.service import UnixSocket
from blocklab.services.service import nova_command
from blocklab.services.service import python_environment
from blocklab.services.settings import BACKENDS
from blocklab.services.settings import Choices


def services(
    layout: Layout, host: HostLayout, release: Release, choices: Choices
) -> Iterator[Service]:
    """All of one host; `blocklab.commands.up` has their order."""
    yield _libvirtd(layout, host)
    debian = roots.has_nova(choices.systems.get(host.name))
    yield from _switch(layout, host, debian=debian)
    yield _nova_compute(layout, host, release, choices)


def environment(host: HostLayout, release: Release, choices: Choices) -> Path:
    """The Python environment of a host's nova-compute."""
    release = release.on(choices.systems.get(host.name))
    ours = choices.drivers[host.name] == 'blockmig'
    return release.ours if ours else release.venv


def _log(layout: Layout, name: str, host: HostLayout) -> Path:
    return layout.logs / f'{name}@{host.name}.log'


def _libvirtd(layout: Layout, host: HostLayout) -> Service:
    etc = host.directory / 'libvirt' / 'etc'
    return Service(
        f'libvirtd@{host.name}',
        host,
        ('libvirtd', '--listen', '--pid-file=/run/libvirt/libvirtd.pid'),
        _log(layout, 'libvirtd', host),
        Tcp(16509),
        files=(etc / 'libvirtd.conf', etc / 'qemu.conf'),
    )


def _switch(
    layout: Layout, host: HostLayout, *, debian: bool
) -> Iterator[Service]:
    # Where os-vif looks for it if nothing else is set, as nova may not use
    # the socket. An agent of Neutron would see to it, or the administrator
    # with "ovs-vsctl set-manager".
    local = ('--remote=ptcp:6640:127.0.0.1',) if debian else ()
    yield Service(
        f'ovsdb@{host.name}',
        host,
        (
            'ovsdb-server',
            '--remote=punix:/run/openvswitch/db.sock',
            *local,
            '--unixctl=/run/openvswitch/ovsdb.ctl',
            str(host.directory / 'openvswitch.db'),
        ),
        _log(layout, 'ovsdb', host),
        UnixSocket('openvswitch/db.sock'),
    )
    yield Service(
        f'ovs-vswitchd@{host.name}',
        host,
        (
            'ovs-vswitchd',
            '--unixctl=/run/openvswitch/vswitchd.ctl',
            'unix:/run/openvswitch/db.sock',
        ),
        _log(layout, 'ovs-vswitchd', host),
        UnixSocket('openvswitch/vswitchd.ctl'),
    )
    yield Service(
        f'ovn-controller@{host.name}',
        host,
        ('ovn-controller', 'unix:/run/openvswitch/db.sock'),
        _log(layout, 'ovn-controller', host),
        Alive(),
    )


def _nova_compute(
    layout: Layout, host: HostLayout, release: Release, choices: Choices
) -> Service:
    etc = layout.etc / host.name
    system = choices.systems.get(host.name)
    if system is not None and roots.has_nova(system):
        return _debian_nova_compute(layout, host, system, choices)
    release = release.on(system)
    venv = environment(host, release, choices)
    files = [
        etc / 'nova.conf',
        etc / 'nova-host.conf',
        venvs.stamp(release, 'services'),
    ]
    if choices.drivers[host.name] == 'blockmig':
        files.append(venvs.stamp(release, venvs.DRIVER.name))
    variables = python_environment(venv, host)
    if backend := choices.concurrency.get(host.name):
        variables |= BACKENDS[backend]
    return Service(
        f'nova-compute@{host.name}',
        host,
        nova_command(venv, 'nova-compute', etc),
        _log(layout, 'nova-compute', host),
        Alive(),
        files=tuple(files),
        environment=variables,
    )


def _debian_nova_compute(
    layout: Layout, host: HostLayout, system: str, choices: Choices
) -> Service:
    """As nova-compute.service of Debian's package starts it.

    It needs no systemd for that: the unit runs the package's init script as
    nova, in a clean environment.
    """
    files = [host.debian_etc / debian_nova.COMPUTE_CONF, roots.stamp(system)]
    if choices.drivers[host.name] == 'blockmig':
        files.append(debian_nova.stamp(system))
    backend = choices.concurrency.get(host.name)
    variables = BACKENDS[backend] if backend else {}
    return Service(
        f'nova-compute@{host.name}',
        host,
        (
            *('setpriv', '--reuid=nova', '--regid=nova', '--init-groups'),
            *('--reset-env', 'env', '--chdir=/var/lib/nova'),
            *(f'{name}={value}' for name, value in variables.items()),
            *('/etc/init.d/nova-compute', 'systemd-start'),
        ),
        _log(layout, 'nova-compute', host),
        Alive(),
        files=tuple(files),
    )
