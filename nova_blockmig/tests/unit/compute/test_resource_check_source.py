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

"""The resource check of the source, and what each disk needs."""

from nova_blockmig.compute import resource_check
from nova_blockmig.core import capacity
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.tests.unit.compute import resource_check_case

MIB, GIB = 2**20, 2**30


class DiskNeedsTest(resource_check_case.Case):
    def needs(self, method, base=True):
        disk = model.Disk(
            name='disk.eph0',
            path='/nowhere',
            target='vdb',
            format='qcow2',
            virtual_bytes=5 * GIB,
            allocated_bytes=3 * MIB,
            base=model.Base(
                '/_base/ephemeral_5_x',
                model.BaseKind.HOST_GENERATED,
                added_bytes=2 * MIB,
                key=(1, 2),
                certain=True,
            )
            if base
            else None,
        )
        return resource_check.disk_needs(
            [model.DiskPlan(disk, method, 'a reason')]
        )

    def test_a_base_that_comes_along_is_added(self):
        # COPY: all of it, with VIR_MIGRATE_NON_SHARED_DISK.
        for method in (
            model.TransferMethod.INLINE,
            model.TransferMethod.FLATTEN,
            model.TransferMethod.COPY,
        ):
            (need,) = self.needs(method)
            self.assertEqual(
                capacity.DiskNeed(
                    'disk.eph0',
                    5 * GIB,
                    3 * MIB,
                    2 * MIB,
                ),
                need,
            )

    def test_a_base_that_is_fetched_is_the_destinations(self):
        self.assertEqual(
            0, self.needs(model.TransferMethod.FETCH)[0].added_bytes
        )

    def test_no_base(self):
        self.assertEqual(
            0,
            self.needs(model.TransferMethod.INLINE, base=False)[0].added_bytes,
        )


class AtSourceTest(resource_check_case.Case):
    NEEDS = (
        capacity.DiskNeed('disk', 10 * GIB, 217 * MIB),
        capacity.DiskNeed(
            'disk.eph0',
            5 * GIB,
            0,
            MIB,
        ),
    )

    def run_check(
        self,
        available,
        flag=None,
        destination=plan.Peer.IN_TREE,
        policy='virtual',
    ):
        data = resource_check_case.migration_data('tmpaaaaaa')
        data.disk_available_mb = available // MIB
        if flag is not None:
            data.disk_over_commit = flag
        checker = self.checker(model.OverCommit(policy))
        checker.at_source(
            resource_check_case.instance(), data, self.NEEDS, destination
        )

    def assert_boundary(self, need, **values):
        self.run_check(need, **values)
        error = self.assertRaises(
            errors.DoesNotFit,
            self.run_check,
            need - MIB,
            **values,
        )
        self.assertIn('1 MiB short', str(error))

    def test_virtual_sizes(self):
        for policy in model.OverCommit:
            self.assert_boundary(15 * GIB, flag=False, policy=policy)

    def test_allocated_sizes(self):
        for policy in model.OverCommit:
            self.assert_boundary(218 * MIB, flag=True, policy=policy)

    def test_our_destination_says_skip(self):
        for policy in model.OverCommit:
            self.run_check(0, destination=plan.Peer.BLOCKMIG, policy=policy)

    def test_an_in_tree_destination_does_not_say(self):
        self.assert_boundary(15 * GIB)

    def test_an_in_tree_destination_sends_a_number_for_virtual_sizes(self):
        self.assert_boundary(15 * GIB, policy='actual')

    def test_skip_with_an_in_tree_destination(self):
        self.run_check(0, policy='skip')

    def test_one_line_for_the_log(self):
        self.run_check(15 * GIB, flag=False)
        self.assertEqual(
            'Resource check: fits on the destination: disk (virtual sizes): '
            'needs 15 GiB, 15 GiB available',
            self.log.output.strip(),
        )
