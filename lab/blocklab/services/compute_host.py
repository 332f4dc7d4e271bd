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
    yield from _switch(layout, host)
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


def _switch(layout: Layout, host: HostLayout) -> Iterator[Service]:
    yield Service(
        f'ovsdb@{host.name}',
        host,
        (
            'ovsdb-server',
            '--remote=punix:/run/openvswitch/db.sock',
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
    release = release.on(choices.systems.get(host.name))
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
