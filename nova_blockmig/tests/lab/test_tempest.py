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

"""Tempest: a class of its own live migration tests, and our plug-in's tests.

Tempest's pass with the in-tree driver, for they look at no data; they have to
pass with ours as well. All of them with either driver, and that our plug-in's
fail with the in-tree driver, is in ``tests/lab_long``.
"""

from collections.abc import Iterable
import shutil
from typing import Any

from blocklab.commands import outcomes
from blocklab.commands import tempest
from nova_blockmig.tests.lab import base

UPSTREAM = 'tempest.api.compute.admin.test_live_migration'
# With the microversion that clients ask for today.
NEWEST = 'LiveAutoBlockMigrationV225Test'
OURS = (
    'nova_blockmig_tempest_plugin.tests.scenario.test_block_migration.'
    'BlockMigrationTest'
)
MIB = 1 << 20
GIB = 1 << 30


class TempestTestCase(base.LabTestCase):
    def tempest(self, *regexes: str, **options: str) -> list[Any]:
        """Run tests; what became of them."""
        log = self.lab.layout.logs / 'tempest-run.log'
        wanted = {'blockmig': options}
        return list(tempest.run(self.lab, ' '.join(regexes), wanted, log))

    def half_the_room(self) -> tuple[base.Extra, int]:
        """Both hosts reserve half of the disk that they share.

        With the allocation ratio an instance boots all the same.

        :returns: settings, and the GiB of a disk that has to be refused: all
            there is. What else writes to this machine's disk meanwhile has
            the other half, to either side.
        """
        path = self.lab.instances_path(base.SOURCE)
        free = shutil.disk_usage(path).free
        options = {
            'reserved_host_disk_mb': str(free // 2 // MIB),
            'disk_allocation_ratio': '10.0',
            # A host counts a disk that is gone until it looks again.
            'update_resources_interval': '10',
        }
        extra = {host: {'DEFAULT': options} for host in base.HOSTS}
        return extra, free // GIB

    def with_ours(self, upstream: str = UPSTREAM) -> list[Any]:
        """Tempest's own tests beneath a name, and the plug-in's."""
        extra, too_large = self.half_the_room()
        self.use(extra=extra)
        return self.tempest(
            rf'^{upstream}\.',
            rf'^{OURS}\.',
            too_large_ephemeral_gib=str(too_large),
        )

    def assert_upstream_passed(self, found: list[Any], *classes: str) -> None:
        self.assertEqual([], outcomes.failed(found))
        moved = {
            f'{UPSTREAM}.{each}.test_live_block_migration{paused}'
            for each in classes
            for paused in ('', '_paused')
        }
        self.assertEqual(set(), moved - outcomes.named(found, 'success'))

    def assert_all_passed(self, found: list[Any]) -> None:
        self.assertEqual([], outcomes.failed(found))
        self.assertEqual(
            {
                f'{OURS}.{name}'
                for name in (
                    'test_disk_over_commit',
                    'test_paused',
                    'test_running',
                    'test_too_large_is_refused',
                )
            },
            outcomes.named(found, 'success'),
        )
        self.assertEqual(set(), outcomes.named(found, 'skip'))


class TempestTest(TempestTestCase):
    def test_with_ours(self) -> None:
        found = self.with_ours(f'{UPSTREAM}.{NEWEST}')
        self.assert_upstream_passed(upstream(found), NEWEST)
        self.assert_all_passed(plugin(found))


def upstream(found: Iterable[Any]) -> list[Any]:
    """Tempest's own tests."""
    return [each for each in found if OURS not in each.test]


def plugin(found: Iterable[Any]) -> list[Any]:
    """The tests of our plug-in."""
    return [each for each in found if OURS in each.test]
