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
"""The check before a migration, end to end, in clouds of different sizes.

Through Nova's compute manager on the destination, its call to the source and
back, with Nova's own functional fixtures: the database is SQLite in memory, so
what a query costs here says little, and their number all.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
from typing import Any
import unittest
import uuid

from nova import context as nova_context
from nova import objects
from nova.compute import task_states
from nova.compute import vm_states
from nova.db.main import api as database
from nova.db.main import models
from nova.objects import fields
import sqlalchemy

from nova_blockmig.tests.bench import measure
from nova_blockmig.tests.bench import rows
from nova_blockmig.tests.functional import base

NODES = {'tiny': (4, 20), 'normal': (10, 1_000, 10_000)}
IN_FLIGHT = {'tiny': (0, 2), 'normal': (0, 10, 100)}
GIB = 2**30
# Source and destination of each.
HOSTS = {'nova': ('in-tree2', 'in-tree-01'), 'ours': ('server2', 'server-01')}
_PIECE = 500
_NEVER = 86400


class _Cloud(base.BlockMigrationBase):
    """Two hosts with each driver, and as many more in the database."""

    def __init__(self, options: rows.Options) -> None:
        super().__init__('measure')
        self._options = options
        # Nova's tests drop every attribute without an underscore.
        self._cases: list[rows.Case] = []

    def setUp(self) -> None:
        # Services that say that they live would be counted as well.
        self.flags(report_interval=_NEVER, service_down_time=_NEVER + 1)
        super().setUp()

    def measure(self) -> None:
        self.servers = {}
        for name, (source, destination) in HOSTS.items():
            in_tree = name == 'nova'
            self.start_host(source, in_tree=in_tree)
            self.start_host(destination, in_tree=in_tree)
            self.servers[name] = self.boot(source, disk=GIB)
            self.cache_image(destination, self.servers[name])
        nodes = 4
        with nova_context.target_cell(
            nova_context.get_admin_context(), self.cell_mappings['cell1']
        ) as cell:
            self.cell = cell
            self._come(max(self._options.choose(**IN_FLIGHT)))
            for name in HOSTS:
                self._check(name)  # the first asks what is remembered then
            for wanted in self._options.choose(**NODES):
                self._add_nodes(wanted - nodes)
                nodes = wanted
                for count in self._options.choose(**IN_FLIGHT):
                    self._let_come(count)
                    self._cases.append(self._case(nodes, count))

    def _case(self, nodes: int, in_flight: int) -> rows.Case:
        queries: dict[str, list[int]] = {name: [] for name in HOSTS}

        def side(name: str) -> Any:
            def call() -> None:
                with _counted() as counted:
                    self._check(name)
                queries[name].append(len(counted))

            return call

        found = measure.turns(
            {name: side(name) for name in HOSTS}, self._options.turns
        )
        return {
            'nodes': nodes,
            'in_flight': in_flight,
            # Something else may have asked meanwhile.
            **{f'{name}_queries': min(queries[name]) for name in HOSTS},
            **{f'{n}_seconds': measure.median(found[n]) for n in HOSTS},
            **{
                f'{n}_cpu_seconds': measure.median(found[n], 'cpu_seconds')
                for n in HOSTS
            },
            'ratio': measure.ratio(
                found['ours'], found['nova'], 'cpu_seconds'
            ),
        }

    def _check(self, name: str) -> None:
        source, destination = HOSTS[name]
        instance = objects.Instance.get_by_uuid(
            self.cell,
            self.servers[name]['id'],
            expected_attrs=['flavor', 'pci_requests', 'system_metadata'],
        )
        migration = objects.Migration(
            self.cell,
            instance_uuid=instance.uuid,
            source_compute=source,
            dest_compute=destination,
            migration_type=fields.MigrationType.LIVE_MIGRATION,
        )
        data = self.computes[
            destination
        ].manager.check_can_live_migrate_destination(
            self.cell, instance, True, False, migration, None
        )
        assert data.block_migration

    def _come(self, count: int) -> None:
        """Instances that are on their way to both destinations."""
        flavor = objects.Flavor(
            id=1, name='small', memory_mb=1, vcpus=1, root_gb=0,
            ephemeral_gb=0, swap=0, flavorid='small', rxtx_factor=1.0,
            extra_specs={},
        )  # fmt: skip
        for _, destination in HOSTS.values():
            for _ in range(count):
                instance = objects.Instance(
                    self.cell,
                    uuid=str(uuid.uuid4()),
                    project_id=self.cell.project_id or 'project',
                    user_id='user',
                    host='elsewhere',
                    image_ref='',
                    flavor=flavor,
                    vm_state=vm_states.ACTIVE,
                    task_state=task_states.MIGRATING,
                    system_metadata={},
                )
                instance.create()
                objects.Migration(
                    self.cell,
                    uuid=str(uuid.uuid4()),
                    instance_uuid=instance.uuid,
                    source_compute='elsewhere',
                    source_node='elsewhere',
                    dest_compute=destination,
                    dest_node=destination,
                    dest_compute_id=1,
                    status='done',
                    migration_type=fields.MigrationType.LIVE_MIGRATION,
                ).create()

    def _let_come(self, count: int) -> None:
        """So many to each destination are running, the others are done."""
        for _, destination in HOSTS.values():
            found = objects.MigrationList.get_by_filters(
                self.cell, {'host': destination, 'source_compute': 'elsewhere'}
            )
            there = [row for row in found if row.source_compute == 'elsewhere']
            for number, migration in enumerate(there):
                migration.status = 'running' if number < count else 'done'
                migration.save()

    def _add_nodes(self, count: int) -> None:
        table = models.ComputeNode.__table__
        names = [str(uuid.uuid4()) for _ in range(count)]
        with database.get_engine(context=self.cell).begin() as connection:
            for start in range(0, count, _PIECE):
                connection.execute(
                    table.insert(),
                    [_node(name) for name in names[start : start + _PIECE]],
                )


def _node(name: str) -> dict[str, Any]:
    return {
        'host': name, 'hypervisor_hostname': name, 'uuid': name,
        'vcpus': 8, 'memory_mb': 8192, 'local_gb': 100, 'vcpus_used': 0,
        'memory_mb_used': 0, 'local_gb_used': 0, 'hypervisor_type': 'QEMU',
        'hypervisor_version': 7002000, 'cpu_info': '{}', 'deleted': 0,
    }  # fmt: skip


@contextlib.contextmanager
def _counted() -> Iterator[list[str]]:
    """Every statement that a database gets meanwhile."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    target = (sqlalchemy.engine.Engine, 'before_cursor_execute', note)
    sqlalchemy.event.listen(*target)
    try:
        yield statements
    finally:
        sqlalchemy.event.remove(*target)


def run(options: rows.Options) -> Sequence[rows.Case]:
    cloud = _Cloud(options)
    result = unittest.TestResult()
    cloud.run(result)
    for _, text in (*result.errors, *result.failures, *result.skipped):
        raise RuntimeError(f'the check could not be measured:\n{text}')
    return cloud._cases


ROW = rows.Row(
    name='check',
    title='The check before a migration',
    run=run,
    columns=(
        rows.Column('Compute nodes', 'nodes'),
        rows.Column('Migrations to the host', 'in_flight'),
        rows.Column('Nova, queries', 'nova_queries'),
        rows.Column('nova-blockmig, queries', 'ours_queries'),
        rows.Column('Nova, ms of processor', 'nova_cpu_seconds', '.0f', 1e-3),
        rows.Column(
            'nova-blockmig, ms of processor', 'ours_cpu_seconds', '.0f', 1e-3
        ),
        rows.Column('Ratio', 'ratio', '.2f'),
    ),
)
