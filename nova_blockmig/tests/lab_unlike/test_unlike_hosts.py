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

"""Compute hosts of unlike Debian releases, and the newer one's libvirt.

They need the root of the release that this machine is not, which takes
minutes to make: ``tools/run-lab-tests --unlike`` runs them.
"""

from typing import Any

from blocklab.migration import scenario
from blocklab.migration import upgrade
from nova_blockmig.tests.lab import base

MIB = 1 << 20
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
OLD_EVERYWHERE = dict.fromkeys(base.HOSTS, upgrade.OLD)
NEW_EVERYWHERE = dict.fromkeys(base.HOSTS, upgrade.NEW)


class UpgradeTest(base.LabTestCase):
    def test_a_host_is_emptied_upgraded_and_filled_again(self) -> None:
        """The first half of ``labctl demo --upgrade``."""
        self.use(systems=OLD_EVERYWHERE)
        upgrade.remove(self.lab)
        self.addCleanup(upgrade.remove, self.lab)

        def renew(host: str, system: str) -> None:
            self.use(systems={**OLD_EVERYWHERE, host: system})

        story = upgrade.tell(self.lab, renew, hosts=(base.SOURCE,))
        self.assertEqual([], story.wrong())
        self.assertTrue(story.sound)
        away, back = story.steps
        self.assertEqual(away.versions[0], away.versions[1])
        self.assertNotEqual(back.versions[0].qemu, back.versions[1].qemu)


class NewerToOlderTest(base.LabTestCase):
    """The direction that no upgrade needs."""

    def use_newer_source(
        self, *, compared: bool, machine: str | None = None
    ) -> None:
        """The source is the newer one.

        :param compared: whether Nova's conductor compares the versions.
        :param machine: the machine type of new guests on the source; by
            default its newest.
        """
        extra: base.Extra = {
            'controller': {
                'workarounds': {
                    'skip_hypervisor_version_check_on_lm': str(not compared)
                }
            }
        }
        if machine:
            extra[base.SOURCE] = {
                'libvirt': {'hw_machine_type': f'x86_64={machine}'}
            }
        self.use(
            extra=extra,
            systems={
                base.SOURCE: upgrade.NEW,
                base.DESTINATION: upgrade.OLD,
            },
        )

    def assert_refused(self, instance: Any, reason: str) -> None:
        """It stays, nothing is left, and a log says why."""
        logs = ('nova-conductor', f'nova-compute@{base.SOURCE}')
        places = [(name, self.lab.log_path(name)) for name in logs]
        began = {name: path.stat().st_size for name, path in places}
        with self.nothing_left_on(base.DESTINATION):
            migration = instance.migrate(base.DESTINATION)
        self.assertEqual('error', migration.status)
        server = instance.server
        self.assertEqual('ACTIVE', server.status)
        self.assertEqual(base.SOURCE, server.compute_host)
        said = ''.join(
            path.read_bytes()[began[name] :].decode(errors='replace')
            for name, path in places
        )
        self.assertIn(reason, said)

    def test_refused(self) -> None:
        self.use_newer_source(compared=True)
        instance = self.boot(FLAVOR)
        self.assert_refused(instance, 'requires a newer hypervisor version')
        # The same guest, where Nova does not compare.
        self.use_newer_source(compared=False)
        self.assert_refused(instance, 'the guest has the machine type pc-')

    def test_an_older_machine_type_moves_and_comes_back(self) -> None:
        self.use_newer_source(compared=False, machine='pc-i440fx-7.2')
        instance = self.boot(FLAVOR)
        said = scenario.writing(instance, timeout=400)
        self.move(instance)
        seen = instance.wait_for_checks(said, 400)
        self.assertTrue(seen.sound, seen)
        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())


class ZeroesTest(base.LabTestCase):
    """``migrate_disks_detect_zeroes``, which needs libvirt 10.9."""

    def moved(self, *, detect: bool, full_copy: bool) -> tuple[int, int]:
        """Allocated bytes of an overlay full of zeroes, before and after."""
        options = {'migrate_disks_detect_zeroes': str(detect)}
        if full_copy:
            options['block_migration_flag'] = (
                'VIR_MIGRATE_UNDEFINE_SOURCE,VIR_MIGRATE_PEER2PEER,'
                'VIR_MIGRATE_LIVE,VIR_MIGRATE_NON_SHARED_DISK'
            )
        self.use(
            extra={host: {'blockmig': options} for host in base.HOSTS},
            systems=NEW_EVERYWHERE,
        )
        instance = self.boot(FLAVOR)
        scenario.writing(instance, timeout=400)
        self.write_zeroes(instance)
        before = instance.pause_and_hash()
        self.move(instance)
        after = instance.hash()
        self.assert_same(before, after)
        name = 'disk.eph0'
        return before[name].allocated_bytes, after[name].allocated_bytes

    def write_zeroes(self, instance: Any) -> None:
        reply = instance.run(
            'dd if=/dev/zero of=/mnt/vdb/zeroes bs=1M count=32 conv=fsync',
            timeout=120,
        )
        self.assertEqual(0, reply.status, reply.output)

    def test_an_incremental_copy(self) -> None:
        before, after = self.moved(detect=True, full_copy=False)
        self.assertGreater(before, 32 * MIB)
        self.assertLess(after, before - 30 * MIB)

    def test_a_full_copy(self) -> None:
        before, after = self.moved(detect=True, full_copy=True)
        self.assertGreater(before, 32 * MIB)
        self.assertLess(after, before - 24 * MIB)

    def test_without_it_the_zeroes_are_sent(self) -> None:
        before, after = self.moved(detect=False, full_copy=False)
        self.assertGreater(after, before - MIB)
