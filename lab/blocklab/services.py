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

"""Every service of the lab: where it runs, how it is started and probed."""

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from blocklab import venvs
from blocklab.layout import HostLayout
from blocklab.layout import Layout
from blocklab.releases import Release
from blocklab.settings import BACKENDS
from blocklab.settings import Choices


@dataclass(frozen=True)
class Tcp:
    """Healthy when a port answers on the host's management address."""

    port: int


@dataclass(frozen=True)
class Http:
    """Healthy when a GET of / is answered with a status below 500."""

    port: int


@dataclass(frozen=True)
class UnixSocket:
    """Healthy when a socket below the host's /run answers."""

    path: str


@dataclass(frozen=True)
class Alive:
    """Healthy when the process runs; an API knows the rest."""


Probe = Tcp | Http | UnixSocket | Alive


@dataclass(frozen=True)
class Service:
    """A process that the supervisor keeps.

    :ivar name: unique in the lab; on a compute host it ends in @HOST.
    :ivar files: the service is started anew when one of them changes.
    :ivar patience: seconds it may take until its probe succeeds.
    """

    name: str
    host: HostLayout
    command: tuple[str, ...]
    log: Path
    probe: Probe
    files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = 'TERM'
    patience: int = 120


# API -> (port, module of its application)
APIS = {
    'keystone': (5000, 'keystone.wsgi.api'),
    'placement': (8778, 'placement.wsgi.api'),
    'glance': (9292, 'glance.wsgi.api'),
    'neutron': (9696, 'neutron.wsgi.api'),
    'nova-api': (8774, 'nova.wsgi.osapi_compute'),
}
_OVN_DATABASES = {'nb': 6641, 'sb': 6642}


def all_services(
    layout: Layout, release: Release, choices: Choices
) -> tuple[Service, ...]:
    """The services of a lab, the controller's first."""
    return (
        *_infrastructure(layout),
        *_apis(layout, release),
        *_nova_control(layout, release),
        *(
            service
            for host in layout.computes
            for service in _compute(layout, host, release, choices)
        ),
    )


def _infrastructure(layout: Layout) -> Iterator[Service]:
    host = layout.controller
    etc = layout.etc / host.name
    my_cnf = etc / 'my.cnf'
    yield Service(
        'mariadb',
        host,
        ('mariadbd', f'--defaults-file={my_cnf}'),
        layout.logs / 'mariadb.log',
        UnixSocket('mysqld/mysqld.sock'),
        files=(my_cnf,),
    )
    yield Service(
        'rabbitmq',
        host,
        ('/usr/lib/rabbitmq/bin/rabbitmq-server',),
        layout.logs / 'rabbitmq.log',
        Tcp(5672),
        files=(etc / 'rabbitmq.conf',),
        environment=_rabbit_environment(layout, etc),
    )
    for name, port in _OVN_DATABASES.items():
        yield Service(
            f'ovn-{name}',
            host,
            (
                'ovsdb-server',
                f'--remote=punix:/run/ovn/{name}.sock',
                f'--remote=ptcp:{port}:{host.address}',
                f'--unixctl=/run/ovn/{name}.ctl',
                str(layout.state / 'ovn' / f'{name}.db'),
            ),
            layout.logs / f'ovn-{name}.log',
            Tcp(port),
        )
    yield Service(
        'ovn-northd',
        host,
        (
            'ovn-northd',
            '--ovnnb-db=unix:/run/ovn/nb.sock',
            '--ovnsb-db=unix:/run/ovn/sb.sock',
            '--unixctl=/run/ovn/northd.ctl',
        ),
        layout.logs / 'ovn-northd.log',
        UnixSocket('ovn/northd.ctl'),
    )


def _rabbit_environment(layout: Layout, etc: Path) -> dict[str, str]:
    home = layout.state / 'rabbitmq'
    return {
        'HOME': str(home),
        'RABBITMQ_NODENAME': 'rabbit@localhost',
        'RABBITMQ_CONFIG_FILE': str(etc / 'rabbitmq.conf'),
        'RABBITMQ_ENABLED_PLUGINS_FILE': str(etc / 'enabled_plugins'),
        'RABBITMQ_CONF_ENV_FILE': '/dev/null',
        'RABBITMQ_MNESIA_BASE': str(home / 'mnesia'),
        'RABBITMQ_LOG_BASE': str(layout.logs),
        'RABBITMQ_PID_FILE': str(home / 'pid'),
        'RABBITMQ_DIST_PORT': '25672',
        # Idle Erlang schedulers otherwise spin on the two processors.
        'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': '+S 2:2 +sbwt none',
        'ERL_EPMD_ADDRESS': '127.0.0.1',
    }


def _apis(layout: Layout, release: Release) -> Iterator[Service]:
    host = layout.controller
    etc = layout.etc / host.name
    nova = (etc / 'nova.conf', etc / 'nova-host.conf')
    files = {
        'keystone': (etc / 'keystone.conf',),
        'placement': (etc / 'placement.conf',),
        'glance': (etc / 'glance-api.conf',),
        'neutron': (etc / 'neutron.conf', etc / 'ml2_conf.ini'),
        'nova-api': nova,
    }
    stamp = venvs.stamp(release, 'services')
    paste = release.venv / 'etc' / 'nova' / 'api-paste.ini'
    environments = {
        'keystone': {'OS_KEYSTONE_CONFIG_FILES': _joined(files['keystone'])},
        'placement': {'OS_PLACEMENT_CONFIG_DIR': str(etc)},
        'glance': {'OS_GLANCE_CONFIG_DIR': str(etc)},
        'neutron': {'OS_NEUTRON_CONFIG_FILES': _joined(files['neutron'])},
        'nova-api': {'OS_NOVA_CONFIG_FILES': _joined((paste, *nova))},
    }
    for name, (port, _) in APIS.items():
        ini = etc / f'uwsgi-{name}.ini'
        yield Service(
            name,
            host,
            (
                str(release.venv / 'bin' / 'uwsgi'),
                f'--virtualenv={release.venv}',
                f'--ini={ini}',
            ),
            layout.logs / f'{name}.log',
            Http(port),
            files=(ini, *files[name], stamp),
            environment=_python(release, host) | environments[name],
        )


def _nova_control(layout: Layout, release: Release) -> Iterator[Service]:
    host = layout.controller
    etc = layout.etc / host.name
    for name in ('nova-conductor', 'nova-scheduler'):
        yield Service(
            name,
            host,
            _nova_command(release, name, etc),
            layout.logs / f'{name}.log',
            Alive(),
            files=(
                etc / 'nova.conf',
                etc / 'nova-host.conf',
                venvs.stamp(release, 'services'),
            ),
            environment=_python(release, host),
        )


def _compute(
    layout: Layout, host: HostLayout, release: Release, choices: Choices
) -> Iterator[Service]:
    etc = layout.etc / host.name
    libvirt = host.directory / 'libvirt' / 'etc'

    def log(name: str) -> Path:
        return layout.logs / f'{name}@{host.name}.log'

    yield Service(
        f'libvirtd@{host.name}',
        host,
        ('libvirtd', '--listen', '--pid-file=/run/libvirt/libvirtd.pid'),
        log('libvirtd'),
        Tcp(16509),
        files=(libvirt / 'libvirtd.conf', libvirt / 'qemu.conf'),
    )
    yield Service(
        f'ovsdb@{host.name}',
        host,
        (
            'ovsdb-server',
            '--remote=punix:/run/openvswitch/db.sock',
            '--unixctl=/run/openvswitch/ovsdb.ctl',
            str(host.directory / 'openvswitch.db'),
        ),
        log('ovsdb'),
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
        log('ovs-vswitchd'),
        UnixSocket('openvswitch/vswitchd.ctl'),
    )
    yield Service(
        f'ovn-controller@{host.name}',
        host,
        ('ovn-controller', 'unix:/run/openvswitch/db.sock'),
        log('ovn-controller'),
        Alive(),
    )
    backend = choices.concurrency.get(host.name)
    ours = choices.drivers[host.name] == 'blockmig'
    yield Service(
        f'nova-compute@{host.name}',
        host,
        _nova_command(release, 'nova-compute', etc),
        log('nova-compute'),
        Alive(),
        files=(
            etc / 'nova.conf',
            etc / 'nova-host.conf',
            venvs.stamp(release, 'services'),
            *((venvs.stamp(release, 'ours'),) if ours else ()),
        ),
        environment=_python(release, host)
        | ({} if backend is None else BACKENDS[backend]),
    )


def _nova_command(release: Release, name: str, etc: Path) -> tuple[str, ...]:
    return (
        str(release.venv / 'bin' / name),
        f'--config-file={etc / "nova.conf"}',
        f'--config-file={etc / "nova-host.conf"}',
    )


def _python(release: Release, host: HostLayout) -> dict[str, str]:
    return {
        'PATH': f'{release.venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'PYTHONWARNINGS': 'ignore',
        'TMPDIR': str(host.directory / 'tmp'),
    }


def _joined(files: tuple[Path, ...]) -> str:
    return ';'.join(str(file) for file in files)
