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

"""block_migration_flag through Nova, from nova.conf to the disks.

What libvirt itself says to each list is in test_flags_libvirt; a guest that
has volumes only is in test_volumes.
"""

import re
from typing import Any

from blocklab.machine import errors
from blocklab.migration import scenario
from nova_blockmig.tests.lab import base

MIB = 1 << 20

FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
OPTION = 'block_migration_flag'
# The line of the article, for [DEFAULT].
ARTICLE = (
    'VIR_MIGRATE_UNDEFINE_SOURCE,VIR_MIGRATE_PEER2PEER,'
    'VIR_MIGRATE_NON_SHARED_INC'
)
FULL_COPY = (
    'VIR_MIGRATE_UNDEFINE_SOURCE,VIR_MIGRATE_PEER2PEER,'
    'VIR_MIGRATE_NON_SHARED_DISK'
)


def everywhere(section: str, value: str) -> base.Extra:
    return {host: {section: {OPTION: value}} for host in base.HOSTS}


class FlagsTestCase(base.LabTestCase):
    def effective(self, host: str) -> set[str]:
        """The flags that nova-compute named when it started last."""
        log = self.lab.log_path(f'nova-compute@{host}').read_text(
            errors='replace'
        )
        found = re.findall(r'Block migrations use (.*)', log)[-1]
        return {
            name.removeprefix('VIR_MIGRATE_') for name in found.split(', ')
        }

    def move_running(self, instance: Any) -> None:
        """Migrate while the guest writes; it finds all as it was."""
        before = scenario.writing(instance, timeout=400)
        self.move(instance)
        self.assertEqual('ACTIVE', instance.server.status)
        seen = instance.wait_for_checks(before, 400)
        self.assertTrue(seen.sound, seen)

    def move_paused(self, instance: Any) -> tuple[Any, Any]:
        """Migrate a paused guest; its disks before and after."""
        before = instance.pause_and_hash()
        self.move(instance)
        after = instance.hash()
        self.assert_same(before, after)
        return before, after


class ArticleTest(FlagsTestCase):
    """The article's own line, in the place where it stood in 2012."""

    def test_there_running_and_back_paused(self) -> None:
        self.use(extra=everywhere('DEFAULT', ARTICLE))
        self.assertEqual(
            {'UNDEFINE_SOURCE', 'PEER2PEER', 'NON_SHARED_INC',
             'PERSIST_DEST'},
            self.effective(base.SOURCE),
        )  # fmt: skip
        instance = self.boot(FLAVOR)
        self.move_running(instance)
        self.move_paused(instance)


class FullCopyTest(FlagsTestCase):
    """VIR_MIGRATE_NON_SHARED_DISK, with and without VIR_MIGRATE_LIVE."""

    def test_there_without_live_and_back_with_it(self) -> None:
        with_live = f'{FULL_COPY},VIR_MIGRATE_LIVE'
        self.use(
            extra={
                base.SOURCE: {'blockmig': {OPTION: FULL_COPY}},
                base.DESTINATION: {'blockmig': {OPTION: with_live}},
            }
        )
        self.assertEqual(
            {'LIVE'},
            self.effective(base.DESTINATION) - self.effective(base.SOURCE),
        )
        instance = self.boot(FLAVOR)
        bases = self.bases(instance)
        before, after = self.move_paused(instance)
        for name, disk in after.items():
            self.assertIsNone(disk.backing, name)
            # Clusters of 64 KiB: what lies scattered in the base takes more.
            self.assertLess(
                disk.allocated_bytes,
                before[name].allocated_bytes + 2 * bases[name] + MIB,
                name,
            )
        instance.unpause()
        self.move_running(instance)

    def bases(self, instance: Any) -> dict[str, int]:
        """Disk -> allocated bytes of its base, 0 without one."""
        cache = self.lab.instances_path(instance.host_name) / '_base'
        return {
            name: (cache / disk.backing).stat().st_blocks * 512
            if disk.backing
            else 0
            for name, disk in self.sizes(instance).items()
        }


class WrongValueTest(FlagsTestCase):
    """A list that cannot be used stops nova-compute."""

    def test_a_misspelt_flag(self) -> None:
        self.use()
        position = self.log_size(base.DESTINATION)
        self.addCleanup(self.use)
        misspelt = ARTICLE.replace('SHARED_INC', 'SHARED_INK')
        self.assertRaises(
            errors.ServiceFailed,
            self.use,
            extra={base.DESTINATION: {'blockmig': {OPTION: misspelt}}},
        )
        service = f'nova-compute@{base.DESTINATION}'
        self.assertIsNone(self.lab.supervisor.process(service))
        logged = self.logged(base.DESTINATION, position)
        (said,) = (
            line for line in logged.splitlines() if ' CRITICAL nova ' in line
        )
        self.assertIn(f'[blockmig] {OPTION} in /', said)
        self.assertIn('did you mean VIR_MIGRATE_NON_SHARED_INC', said)
