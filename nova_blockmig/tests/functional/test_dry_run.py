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


"""Asking beforehand, over the message bus, and what it leaves: nothing."""

from collections.abc import Iterator
import contextlib
import os
from typing import Any

import fixtures
from nova import context
from nova import objects

from nova_blockmig.cmd import bus
from nova_blockmig.compute import endpoint
from nova_blockmig.core import dry_run
from nova_blockmig.core import operator_errors
from nova_blockmig.tests.functional import migrating

MIB, GIB = 2**20, 2**30
SOURCE = migrating.SOURCE
DESTINATION = migrating.DESTINATION


class DryRunTest(migrating.MigratingBase):
    """A server of ten GiB, and a destination that first has nine."""

    def setUp(self) -> None:
        super().setUp()
        self.on_its_host('check_destination')
        self.on_its_host('describe_source')
        self.on_its_host('describe_host')
        self.start_host(SOURCE)
        self.server = self.boot(SOURCE, disk=10 * GIB)
        self.start_host(DESTINATION, 9 * GIB)
        self.cache_image(DESTINATION, self.server)

    def on_its_host(self, name: str) -> None:
        """Run a method of an endpoint with the options of its host."""
        method = getattr(endpoint.Endpoint, name)

        def call(this: Any, *args: Any, **kwargs: Any) -> Any:
            with self.per_host.on(this._driver.bound_to):
                return method(this, *args, **kwargs)

        self.useFixture(
            fixtures.MockPatchObject(endpoint.Endpoint, name, call)
        )

    @contextlib.contextmanager
    def bus(self) -> Iterator[bus.Bus]:
        with context.target_cell(
            context.get_admin_context(), self.cell_mappings['cell1']
        ) as cell:
            yield bus.Bus(lambda: cell, timeout=120.0)

    def state(self) -> dict[str, Any]:
        """All that a check could leave behind."""
        server = self.api.get_server(self.server['id'])
        with context.target_cell(
            context.get_admin_context(), self.cell_mappings['cell1']
        ) as cell:
            migrations = objects.MigrationList.get_by_filters(cell, {})
        drivers = [self.computes[h].driver for h in (SOURCE, DESTINATION)]
        return {
            'server': server,
            'actions': self.api.get_instance_actions(server['id']),
            'migrations': [row.uuid for row in migrations],
            'allocations': self._get_allocations_by_server_uuid(server['id']),
            'files': [
                sorted(
                    (path, sorted(names))
                    for path, _, names in os.walk(self.root.join(host))
                )
                for host in (SOURCE, DESTINATION)
            ],
            'reservations': [
                driver._check._reservations.current() for driver in drivers
            ],
            'facts': [dict(driver._source._agreed) for driver in drivers],
        }

    def test_it_says_what_the_migration_says_and_changes_nothing(self) -> None:
        before = self.state()
        server = self.server['id']
        with self.bus() as hosts:
            found = hosts.instance(server)
            self.assertEqual((SOURCE, 'active'), (found.host, found.status))
            self.assertEqual(
                [(DESTINATION, True, True), (SOURCE, True, True)],
                [(s.host, s.up, s.enabled) for s in hosts.services()],
            )
            self.assertEqual([], hosts.past(SOURCE))
            source = hosts.source(SOURCE, server)
            there = hosts.destination(DESTINATION, server, None)
        self.assertEqual(before, self.state())
        (disk,) = source.disks
        self.assertEqual(
            ('disk', 10 * GIB, 'copy'),
            (disk.name, disk.virtual_bytes, disk.method),
        )
        for said in (source, there):
            self.assertEqual({'QEMU', 'libvirt'}, set(said.versions))
        judged = dry_run.judge(server, source, there)
        self.assertFalse(judged.fits)
        self.assertIn('needs 10 GiB, 9 GiB available', judged.sentence())
        self.assert_refused(self.server, 'needs 10 GiB, 9 GiB available')
        self.set_free(DESTINATION, 10 * GIB)
        with self.bus() as hosts:
            there = hosts.destination(DESTINATION, server, None)
        self.assertTrue(dry_run.judge(server, source, there).fits)
        self.assert_moves(self.server, DESTINATION)
        self._wait_for_migration_status(self.server, ['completed'])
        with self.bus() as hosts:
            (past,) = hosts.past(SOURCE)
        self.assertEqual(
            (SOURCE, DESTINATION), (past.source, past.destination)
        )

    def test_hosts_describe_themselves(self) -> None:
        with self.bus() as hosts:
            found = [hosts.facts(host) for host in (SOURCE, DESTINATION)]
        self.assertEqual(
            [SOURCE, DESTINATION], [facts.host for facts in found]
        )
        self.assertEqual('qcow2', found[0].images_type)

    def test_the_in_tree_driver_does_not_know_the_question(self) -> None:
        self.start_host('server-03', in_tree=True)
        with self.bus() as hosts:
            error = self.assertRaises(
                operator_errors.NotAnswered,
                hosts.destination,
                'server-03',
                self.server['id'],
                None,
            )
        self.assertIn('in-tree driver', str(error))
        with self.bus() as hosts:
            server = hosts.instance(self.server['id'])
            there = hosts.record('server-03', server, None)
            source = hosts.source(SOURCE, server.id, in_tree=True)
        self.assertTrue(there.by_record)
        judged = dry_run.judge(server.id, source, there)
        self.assertEqual(
            ['RAM', 'disk (virtual sizes)'], [row.name for row in judged.rows]
        )
        self.assertTrue(judged.rows[0].fits, judged)
        self.assertEqual('', source.refusal)

    def test_an_instance_that_is_not_there(self) -> None:
        with self.bus() as hosts:
            self.assertRaises(
                operator_errors.CannotAsk,
                hosts.instance,
                '00000000-0000-0000-0000-000000000000',
            )
