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


"""Nova's resource tracker beside our check while a host is emptied."""

import threading
from typing import Any

from nova import context
from nova import objects
from nova.objects import base as objects_base

from nova_blockmig.tests.functional import migrating

MIB, GIB = 2**20, 2**30
SOURCE = migrating.SOURCE
DESTINATION = migrating.DESTINATION
GUESTS = 16
MEMORY_MB = 768


class EvacuationTest(migrating.MigratingBase):
    """Sixteen guests, of which the source moves one at a time.

    What Nova keeps of the memory and the disk of the destination and what
    the check makes of it are compared at every step.
    """

    def setUp(self) -> None:
        super().setUp()
        self.flags(instances=-1, cores=-1, ram=-1, group='quota')
        self.flags(cpu_allocation_ratio=16.0)
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.start_host(SOURCE)
        self.servers = [self.boot_guest() for _ in range(GUESTS)]
        # A host with ten GiB of memory more than they need would hide that
        # they are counted twice.
        self.start_host(
            DESTINATION,
            100 * GIB,
            memory_mb=(GUESTS + 4) * MEMORY_MB,
        )
        self.cache_image(DESTINATION, self.servers[0])
        self.probe = self.boot_guest()

    def boot_guest(self) -> Any:
        server = self._create_server(
            host=SOURCE,
            networks='none',
            flavor_id=self._create_flavor(
                vcpu=1, memory_mb=MEMORY_MB, disk=2, ephemeral=0
            ),
        )
        self.make_disks(SOURCE, server, disk=2 * GIB)
        return server

    def _copy(self, *args: Any, **kwargs: Any) -> None:
        self.go_on.wait(120)
        super()._copy(*args, **kwargs)

    def available(self) -> tuple[int, int]:
        """MiB of memory and GiB of disk that one more guest is offered."""
        compute = self.computes[DESTINATION]
        with (
            context.target_cell(
                context.get_admin_context(), self.cell_mappings['cell1']
            ) as cell,
            self.per_host.on(DESTINATION),
        ):
            node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
                cell, DESTINATION
            )
            instance = objects.Instance.get_by_uuid(
                cell, self.probe['id'], expected_attrs=['flavor']
            )
            found = compute.driver._check.evaluate(
                cell, instance, objects_base.obj_to_primitive(node), False
            )
        (ram,) = found.outcome.rows
        return ram.available.bytes // MIB, found.disk.bytes // GIB

    def tracked(self) -> int:
        """How many flavors Nova's own tracker has counted there."""
        tracker = self.computes[DESTINATION].manager.rt
        return len(tracker.tracked_instances | set(tracker.tracked_migrations))

    def node_id(self, cell: Any) -> dict[str, int]:
        """What a migration record names the node by, where Nova has it."""
        if 'dest_compute_id' not in objects.Migration.fields:
            return {}
        node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
            cell, DESTINATION
        )
        return {'dest_compute_id': node.id}

    def assert_offered(self, guests: int) -> None:
        """What is left beside so many of them; nothing counted twice."""
        memory, disk = self.available()
        expected = (self.memory - guests * MEMORY_MB, 100 - guests * 2)
        self.assertEqual(expected, (memory, disk))

    def begin(self, servers: list[Any]) -> None:
        for server in servers:
            self.request(server, host=DESTINATION)
        for server in servers:
            self._wait_for_migration_status(server, ['running', 'queued'])

    def test_every_guest_counts_once(self) -> None:
        self.memory, _ = self.available()
        self.assertLess(self.memory, 2 * GUESTS * MEMORY_MB)
        half = GUESTS // 2
        # Reserved, then in the database, then in the tracker.
        self.begin(self.servers[:half])
        self.assert_offered(half)
        self._run_periodics()
        self.assertEqual(half, self.tracked())
        self.assert_offered(half)
        # Twice the memory of the first half is not there.
        self.begin(self.servers[half:])
        self.assert_offered(GUESTS)
        self._run_periodics()
        self.assertEqual(GUESTS, self.tracked())
        self.assert_offered(GUESTS)
        self.go_on.set()
        for server in self.servers:
            self._wait_for_server_parameter(
                server,
                {'OS-EXT-SRV-ATTR:host': DESTINATION, 'status': 'ACTIVE'},
                max_retries=120,
            )
        self.assert_offered(GUESTS)
        self._run_periodics()
        self.assertEqual(GUESTS, self.tracked())
        memory, _ = self.available()
        self.assertEqual(self.memory - GUESTS * MEMORY_MB, memory)

    def test_what_a_dead_source_left_takes_nothing(self) -> None:
        """Its row stays 'preparing'; Nova ends 'running' ones only."""
        self.memory, _ = self.available()
        with context.target_cell(
            context.get_admin_context(), self.cell_mappings['cell1']
        ) as cell:
            objects.Migration(
                cell,
                instance_uuid=self.servers[0]['id'],
                source_compute=SOURCE,
                source_node=SOURCE,
                dest_compute=DESTINATION,
                dest_node=DESTINATION,
                **self.node_id(cell),
                status='preparing',
                migration_type='live-migration',
            ).create()
        self.assert_offered(0)
        self._run_periodics()
        self.assertEqual(0, self.tracked())
        self.assert_offered(0)


class PlacementRatioTest(migrating.MigratingBase):
    """Memory is over-committed in Placement, and nowhere in nova.conf."""

    def setUp(self) -> None:
        super().setUp()
        self.start_host(SOURCE)
        self.server = self.boot(SOURCE, disk=GIB)
        self.start_host(DESTINATION)
        self.cache_image(DESTINATION, self.server)

    def set_ratio(self, ratio: float) -> None:
        provider = self._get_provider_uuid_by_host(DESTINATION)
        url = f'/resource_providers/{provider}/inventories/MEMORY_MB'
        inventory = self.placement.get(url).body
        self.placement.put(url, {**inventory, 'allocation_ratio': ratio})
        # nova-compute looks for changes of others when its own are refused,
        # or after [compute] resource_provider_association_refresh.
        report = self.computes[DESTINATION].manager.reportclient
        report.clear_provider_cache()
        self._run_periodics()

    def test_it_is_respected(self) -> None:
        self.set_record(DESTINATION, free_ram_mb=-1)
        self.assert_refused(self.server, 'RAM: needs 512 MiB')
        self.set_ratio(1.5)
        self.set_record(DESTINATION, free_ram_mb=-1)
        self.assert_moves(self.server, DESTINATION)
