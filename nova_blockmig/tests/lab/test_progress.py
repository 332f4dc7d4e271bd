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

"""The bytes of the disks in Nova's API while a migration goes on."""

import itertools
from typing import Any

from blocklab.migration import scenario
from nova_blockmig.core import migration_record
from nova_blockmig.tests.lab import base

MIB = 1 << 20
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
# MiB/s: Nova saves what a copy has done every five seconds, on a busy machine
# every ten, and the copy has to be seen more than once.
SLOW = {'libvirt': {'live_migration_bandwidth': '3'}}


class ProgressTest(base.LabTestCase):
    def migrate(self, instance: Any) -> tuple[Any, list[tuple[str, int, int]]]:
        """The migration, and status, done and all that its record showed."""
        seen: list[tuple[str, int, int]] = []

        def look() -> None:
            for record in self.lab.cloud.compute.server_migrations(
                instance.id
            ):
                found = (
                    str(record.status),
                    int(record.disk_processed_bytes or 0),
                    int(record.disk_total_bytes or 0),
                )
                if not seen or seen[-1] != found:
                    seen.append(found)

        return self.move(instance, watch=look), seen

    def assert_grows(self, seen: list[tuple[str, int, int]]) -> None:
        self.assertGreater(len({done for _, done, _ in seen}), 2, seen)
        for before, after in itertools.pairwise(seen):
            self.assertLessEqual(before[1], after[1], seen)
        for _, done, total in seen:
            self.assertLessEqual(done, total, seen)

    def record(self, position: int) -> migration_record.MigrationRecord:
        """The line that the source logged after a position."""
        (found,) = filter(
            None,
            map(
                migration_record.read,
                self.logged(base.SOURCE, position).splitlines(),
            ),
        )
        return found

    def test_copied_disks(self) -> None:
        self.use(extra=dict.fromkeys(base.HOSTS, SLOW))
        instance = self.boot(FLAVOR)
        scenario.writing(instance, timeout=400)
        instance.run('dd if=/dev/urandom of=/dev/vda bs=1M seek=900 count=64')
        instance.run('sync')
        # On a fast machine the guest's writes dirty more memory than such a
        # link carries, and it would run on the source for ever.
        instance.pause()
        code, line = self.ask(instance, base.DESTINATION)
        self.assertEqual(0, code)
        said = int(line['disk_total_bytes'])
        position = self.log_size(base.SOURCE)
        _, seen = self.migrate(instance)
        self.assert_grows(seen)
        found = self.record(position)
        self.assertEqual(
            (instance.id, base.SOURCE, base.DESTINATION, 'completed'),
            (found.instance, found.source, found.destination, found.result),
        )
        methods = {disk.name: disk.method for disk in found.disks}
        self.assertEqual(
            {
                'disk': 'fetch',
                'disk.eph0': 'inline',
                'disk.swap': 'inline',
                'disk.config': 'inline',
            },
            methods,
        )
        copied = {d.name: d.copied_bytes or 0 for d in found.disks}
        self.assertGreater(copied['disk'], 64 * MIB)
        total = sum(copied.values())
        self.assertTrue(
            0.9 <= said / total <= 1.1, f'{said} said, {total} copied'
        )
