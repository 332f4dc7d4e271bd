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

"""What Nova does later with the disks that we made on a destination."""

from collections.abc import Iterator
import contextlib
import time
from typing import Any

from openstack import exceptions

from blocklab.migration import migration
from blocklab.migration import scenario
from blocklab.migration import ssh
from nova_blockmig.tests.lab import base

FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
LARGER = scenario.Flavor(
    memory_mib=192, disk_gib=2, ephemeral_gib=1, swap_mib=128
)
# Reading all of it takes QEMU long enough to be aborted.
LARGE = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=30, swap_mib=0
)


class AfterwardsTest(base.LabTestCase):
    def test_snapshot_rescue_shelve_and_on_to_an_in_tree_host(self) -> None:
        self.use()
        compute = self.lab.cloud.compute
        instance = self.boot(FLAVOR, config_drive=False)
        scenario.writing(instance, timeout=400)
        self.move(instance)

        snapshot = compute.create_server_image(
            instance.id, 'snapshot', wait=True, timeout=400
        )
        self.addCleanup(self.lab.cloud.image.delete_image, snapshot)
        self.assertEqual('active', snapshot.status)
        # The image is there a little before Nova has ended the task.
        instance.wait_for_status('ACTIVE', 400)

        compute.rescue_server(instance.id)
        instance.wait_for_status('RESCUE', 400)
        compute.unrescue_server(instance.id)
        instance.wait_for_status('ACTIVE', 400)

        compute.shelve_server(instance.id)
        instance.wait_for_status('SHELVED_OFFLOADED', 400)
        compute.unshelve_server(instance.id)
        instance.wait_for_status('ACTIVE', 400)
        scenario.writing(instance, timeout=400)

        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())

        # On to a host that has not been upgraded yet.
        instance.unpause()
        here = instance.host_name
        drivers = dict.fromkeys(base.HOSTS, 'blockmig')
        drivers[self.other(here)] = 'in-tree'
        self.use(drivers[base.SOURCE], drivers[base.DESTINATION])
        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())


class ElsewhereTest(base.LabTestCase):
    """Moves of other kinds, from and to what a block migration has made."""

    def test_resize_and_evacuate(self) -> None:
        self.use()
        instance = self.boot(FLAVOR)
        scenario.writing(instance, timeout=400)
        self.move(instance)

        self.resize(instance, LARGER)
        self.assertEqual(base.SOURCE, instance.host_name)
        found = scenario.writing(instance, timeout=400)
        self.assertTrue(found.sound, found)
        self.assertTrue(found.recovered, 'no file is left')
        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())

        # As if the host had died: Nova builds the instance anew elsewhere.
        instance.unpause()
        with self.dead(base.DESTINATION, instance):
            self.lab.client('nova', 'evacuate', instance.id, base.SOURCE)
            instance.wait_for_host(base.SOURCE, 400)
            if instance.server.status != 'ACTIVE':
                self.lab.cloud.compute.start_server(instance.id)
            instance.wait_for_status('ACTIVE', 400)
        # The host is back, and can be moved to.
        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())

    def resize(self, instance: Any, flavor: scenario.Flavor) -> None:
        """To another host, as Nova does: by ssh, while it is turned off."""
        compute = self.lab.cloud.compute
        with ssh.trust(self.lab):
            compute.resize_server(instance.id, flavor.ensure(self.lab).id)
            instance.wait_for_status('VERIFY_RESIZE', 400)
            compute.confirm_server_resize(instance.id)
            instance.wait_for_status('ACTIVE', 400)

    @contextlib.contextmanager
    def dead(self, host: str, instance: Any) -> Iterator[None]:
        """A host without its nova-compute, and without the guest."""
        compute = self.lab.cloud.compute
        service = self.compute_service(host)
        name = f'nova-compute@{host}'
        self.lab.supervisor.stop(name)
        self.lab.host(host).run(['virsh', 'destroy', instance.id])
        compute.update_service_forced_down(service, forced=True)
        try:
            yield
        finally:
            # Nova wants what was evacuated to be gone first.
            self.lab.supervisor.start_service(name)
            self.wait_for_removal(host, instance)
            self.force_up(service)
            self.lab.wait_until_reporting()

    def force_up(self, service: Any) -> None:
        """Done as soon as nova-compute has noted what it has removed."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.lab.cloud.compute.update_service_forced_down(
                    service, forced=False
                )
            except exceptions.BadRequestException:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.5)
            else:
                return


class AbortTest(base.LabTestCase):
    def test_a_flattening_that_is_aborted(self) -> None:
        self.use('blockmig', 'in-tree')
        instance = self.boot(LARGE, config_drive=False)
        before = instance.pause_and_hash()
        position = self.log_size(base.SOURCE)
        begun = migration.begin(self.lab, instance.id, base.DESTINATION)
        self._wait_for_flattening(position)
        (record,) = migration.records(self.lab, instance.id)
        self.lab.client(
            'nova', 'live-migration-abort', instance.id, str(record.id)
        )
        ended = migration.wait(self.lab, begun)
        self.assertNotEqual('completed', ended.status)
        self.assertEqual(base.SOURCE, instance.host_name)
        self.assertIn(
            'the migration was aborted', self.logged(base.SOURCE, position)
        )
        # Nova asks the destination to clean up without waiting for it.
        self.wait_for_removal(base.DESTINATION, instance)
        instance.wait_for_status('PAUSED')
        self.assert_same(before, instance.hash())
        # The next try takes up where this one was ended.
        self.move(instance)
        self.assert_same(before, instance.hash())

    def _wait_for_flattening(self, position: Any) -> None:
        deadline = time.monotonic() + 120
        while 'Flattening disk.eph0' not in self.logged(base.SOURCE, position):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)
