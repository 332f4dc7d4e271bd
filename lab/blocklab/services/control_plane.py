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

"""The services of the controller."""

from collections.abc import Iterator
from pathlib import Path

from blocklab.machine import venvs
from blocklab.machine.layout import LAB_DIR
from blocklab.machine.layout import Layout
from blocklab.machine.releases import Release
from blocklab.services.service import Alive
from blocklab.services.service import Http
from blocklab.services.service import Service
from blocklab.services.service import Tcp
from blocklab.services.service import UnixSocket
from blocklab.services.service import nova_command
from blocklab.services.service import python_environment
from blocklab.services.settings import Choices

# API -> (port, module of its application)
APIS = {
    'keystone': (5000, 'keystone.wsgi.api'),
    'placement': (8778, 'placement.wsgi.api'),
    'glance': (9292, 'glance.wsgi.api'),
    'neutron': (9696, 'neutron.wsgi.api'),
    'nova-api': (8774, 'nova.wsgi.osapi_compute'),
    'cinder-api': (8776, 'cinder.wsgi.api'),
}
# In place of an NFS client, which the kernel may not have.
NFS_CLIENT = LAB_DIR / 'nfs'
_OVN_DATABASES = {'nb': 6641, 'sb': 6642}


def services(
    layout: Layout, release: Release, choices: Choices
) -> Iterator[Service]:
    """All of them; `blocklab.commands.up` has their order."""
    yield _mariadb(layout)
    yield _rabbitmq(layout)
    yield from _ovn(layout)
    for name in APIS:
        if name != 'cinder-api' or choices.cinder:
            yield _api(name, layout, release)
    for name in ('nova-conductor', 'nova-scheduler'):
        yield _nova(name, layout, release)
    if choices.cinder:
        for name in ('cinder-scheduler', 'cinder-volume'):
            yield _cinder(name, layout, release)


def _mariadb(layout: Layout) -> Service:
    host = layout.controller
    my_cnf = layout.etc / host.name / 'my.cnf'
    return Service(
        'mariadb',
        host,
        ('mariadbd', f'--defaults-file={my_cnf}'),
        layout.logs / 'mariadb.log',
        UnixSocket('mysqld/mysqld.sock'),
        files=(my_cnf,),
    )


def _rabbitmq(layout: Layout) -> Service:
    host = layout.controller
    etc = layout.etc / host.name
    home = layout.state / 'rabbitmq'
    return Service(
        'rabbitmq',
        host,
        ('/usr/lib/rabbitmq/bin/rabbitmq-server',),
        layout.logs / 'rabbitmq.log',
        Tcp(5672),
        files=(etc / 'rabbitmq.conf',),
        environment={
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
        },
    )


def _ovn(layout: Layout) -> Iterator[Service]:
    host = layout.controller
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


def _api(name: str, layout: Layout, release: Release) -> Service:
    host = layout.controller
    etc = layout.etc / host.name
    ini = etc / f'uwsgi-{name}.ini'
    environment, files = _api_configuration(name, etc, release)
    # Cinder has no variable for it.
    arguments = files if name == 'cinder-api' else ()
    return Service(
        name,
        host,
        (
            str(release.venv / 'bin' / 'uwsgi'),
            f'--virtualenv={release.venv}',
            f'--ini={ini}',
            *(f'--pyargv=--config-file={file}' for file in arguments),
        ),
        layout.logs / f'{name}.log',
        Http(APIS[name][0]),
        files=(ini, *files, venvs.stamp(release, _installed_with(name))),
        environment=python_environment(release.venv, host) | environment,
    )


def _api_configuration(
    name: str, etc: Path, release: Release
) -> tuple[dict[str, str], tuple[Path, ...]]:
    """How an API is told of its files, and which of them the lab writes."""
    files: tuple[Path, ...]
    match name:
        case 'keystone':
            files = (etc / 'keystone.conf',)
            return {'OS_KEYSTONE_CONFIG_FILES': _joined(files)}, files
        case 'placement':
            files = (etc / 'placement.conf',)
            return {'OS_PLACEMENT_CONFIG_DIR': str(etc)}, files
        case 'glance':
            files = (etc / 'glance-api.conf',)
            return {'OS_GLANCE_CONFIG_DIR': str(etc)}, files
        case 'neutron':
            files = (etc / 'neutron.conf', etc / 'ml2_conf.ini')
            return {'OS_NEUTRON_CONFIG_FILES': _joined(files)}, files
        case 'nova-api':
            files = (etc / 'nova.conf', etc / 'nova-host.conf')
            paste = release.venv / 'etc' / 'nova' / 'api-paste.ini'
            return {'OS_NOVA_CONFIG_FILES': _joined((paste, *files))}, files
        case 'cinder-api':
            return {}, (etc / 'cinder.conf',)
    raise ValueError(name)


def _nova(name: str, layout: Layout, release: Release) -> Service:
    host = layout.controller
    etc = layout.etc / host.name
    return Service(
        name,
        host,
        nova_command(release.venv, name, etc),
        layout.logs / f'{name}.log',
        Alive(),
        files=(
            etc / 'nova.conf',
            etc / 'nova-host.conf',
            venvs.stamp(release, 'services'),
        ),
        environment=python_environment(release.venv, host),
    )


def _cinder(name: str, layout: Layout, release: Release) -> Service:
    host = layout.controller
    cinder_conf = layout.etc / host.name / 'cinder.conf'
    environment = python_environment(release.venv, host)
    environment['PATH'] = f'{NFS_CLIENT}:{environment["PATH"]}'
    return Service(
        name,
        host,
        (
            str(release.venv / 'bin' / name),
            f'--config-file={cinder_conf}',
        ),
        layout.logs / f'{name}.log',
        Alive(),
        files=(cinder_conf, venvs.stamp(release, _installed_with(name))),
        environment=environment,
    )


def _installed_with(name: str) -> str:
    """What of the environment a service belongs to: see `venvs.stamp`."""
    return 'cinder' if name.startswith('cinder-') else 'services'


def _joined(files: tuple[Path, ...]) -> str:
    return ';'.join(str(file) for file in files)
