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

"""The controller's databases: made, filled with tables, told of the cells."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

from blocklab.machine import subprocesses
from blocklab.machine.errors import CommandFailed
from blocklab.machine.host import Host
from blocklab.machine.layout import Layout
from blocklab.machine.releases import Release
from blocklab.services.settings import Settings

_NAMES = (
    'keystone', 'glance', 'placement', 'neutron',
    'nova_api', 'nova', 'nova_cell0',
)  # fmt: skip
_SOCKET = '/run/mysqld/mysqld.sock'


def install(layout: Layout) -> None:
    """Make MariaDB's own files, once."""
    directory = layout.state / 'mysql'
    host = layout.controller
    Host(host).run(
        ['install', '-d', '-o', 'mysql', '-m', '0700', directory,
         '/run/mysqld']
    )  # fmt: skip
    if (directory / 'mysql').exists():
        return
    Host(host).run(
        [
            'mariadb-install-db',
            f'--defaults-file={layout.etc / host.name / "my.cnf"}',
            '--auth-root-authentication-method=normal',
            '--skip-test-db',
        ]
    )


def create(
    layout: Layout, settings: Settings, names: Iterable[str] = _NAMES
) -> None:
    """Make the empty databases and the account that owns them."""
    password = settings.passwords['database']
    lines = [f'CREATE DATABASE IF NOT EXISTS {name};' for name in names]
    lines += [
        f"CREATE USER IF NOT EXISTS lab@'%' IDENTIFIED BY '{password}';",
        "GRANT ALL ON *.* TO lab@'%';",
    ]
    # On standard input, so that the password is in no process list.
    Host(layout.controller).run(
        ['mariadb', f'--socket={_SOCKET}'], text='\n'.join(lines)
    )


def last_reports(host: Host) -> dict[tuple[str, str], float]:
    """When Nova's services reported last, in seconds since 1970.

    Binary and host -> that. Nova's API has no such time: what it calls
    updated_at is also that of a service which is still starting.

    :param host: the controller.
    :raises CommandFailed: the database does not answer.
    """
    said = host.run(
        ['mariadb', f'--socket={_SOCKET}', '--skip-column-names', 'nova'],
        text='SELECT `binary`, host, TIMESTAMPDIFF(SECOND, "1970-01-01", '
        'last_seen_up) FROM services WHERE deleted = 0 '
        'AND last_seen_up IS NOT NULL;',
    )
    rows = (line.split('\t') for line in said.splitlines())
    return {(binary, name): float(seconds) for binary, name, seconds in rows}


class Tables:
    """The commands that fill the databases of one release.

    Each may be repeated. Their output is in setup-*.log.
    """

    def __init__(
        self, layout: Layout, release: Release, settings: Settings
    ) -> None:
        self._layout = layout
        self._release = release
        self._settings = settings
        self._etc = layout.etc / layout.controller.name

    def steps(self) -> Mapping[str, Callable[[], None]]:
        """Name of the set-up step -> what does it; the longest first."""
        return {
            'keystone tables': self._keystone,
            'neutron tables': self._neutron,
            'nova cell1 tables': self._nova,
            'nova api tables': self._nova_api,
            'nova cell0 tables': self._nova_cell0,
            'glance tables': self._glance,
            'placement tables': self._placement,
        }

    def cinder(self) -> None:
        """Cinder's database and its tables: not every lab has them."""
        create(self._layout, self._settings, ('cinder',))
        self._run('cinder-manage', ('cinder.conf',), 'db', 'sync')

    def _keystone(self) -> None:
        address = f'http://{self._layout.controller.address}:5000/v3'
        self._run('keystone-manage', ('keystone.conf',), 'db_sync')
        for kind in ('fernet', 'credential'):
            directory = self._layout.state / 'keystone' / kind
            directory.mkdir(parents=True, exist_ok=True)
            self._run(
                'keystone-manage',
                ('keystone.conf',),
                f'{kind}_setup',
                '--keystone-user=root',
                '--keystone-group=root',
            )
        self._run(
            'keystone-manage',
            ('keystone.conf',),
            'bootstrap',
            '--bootstrap-region-id=RegionOne',
            f'--bootstrap-public-url={address}',
            f'--bootstrap-internal-url={address}',
        )

    def _glance(self) -> None:
        self._run('glance-manage', ('glance-api.conf',), 'db_sync')

    def _placement(self) -> None:
        self._run('placement-manage', ('placement.conf',), 'db', 'sync')

    def _neutron(self) -> None:
        self._run(
            'neutron-db-manage',
            ('neutron.conf', 'ml2_conf.ini'),
            'upgrade',
            'heads',
        )

    def _nova_api(self) -> None:
        self._nova_manage('api_db', 'sync')
        self._nova_manage('cell_v2', 'map_cell0')
        try:
            self._nova_manage('cell_v2', 'create_cell', '--name=cell1')
        except CommandFailed as error:
            # A run that was cut short right after this step.
            if 'already exists' not in error.sentence:
                raise

    def _nova_cell0(self) -> None:
        self._run(
            'nova-manage',
            ('nova.conf', 'nova-cell0.conf'),
            'db',
            'sync',
            '--local_cell',
        )

    def _nova(self) -> None:
        self._nova_manage('db', 'sync', '--local_cell')

    def _nova_manage(self, *words: str) -> None:
        self._run('nova-manage', ('nova.conf',), *words)

    def _run(
        self, command: str, configs: tuple[str, ...], *words: str
    ) -> None:
        host = self._layout.controller
        files = [f'--config-file={self._etc / file}' for file in configs]
        name = '-'.join((command, *(w for w in words if w[0] != '-')))
        subprocesses.run(
            f'{command} {" ".join(words[:2])}',
            host.enter(
                str(self._release.venv / 'bin' / command), *files, *words
            ),
            log=self._layout.logs / f'setup-{name}.log',
            extra_environment={
                'PYTHONWARNINGS': 'ignore',
                'OS_BOOTSTRAP_PASSWORD': self._settings.passwords['admin'],
            },
        )
