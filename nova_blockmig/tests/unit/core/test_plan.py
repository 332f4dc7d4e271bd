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

"""Every row of the table by which disks travel."""

import dataclasses

from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.tests.unit import base

BLOCKMIG = plan.Facts(destination=plan.Peer.BLOCKMIG)
IN_TREE = plan.Facts(destination=plan.Peer.IN_TREE)


def disk(name='disk', base=None, **kwargs):
    values = {
        'name': name,
        'path': f'/instances/uuid/{name}',
        'target': 'vda',
        'format': 'qcow2',
        'virtual_bytes': 1 << 30,
        'allocated_bytes': 1 << 20,
        'base': base
        and model.Base(f'/instances/_base/{name}', base, 4096, (1, 2), True),
    }
    values.update(kwargs)
    return model.Disk(**values)


IMAGE = disk('disk', model.BaseKind.IMAGE)
EPHEMERAL = disk('disk.eph0', model.BaseKind.HOST_GENERATED)
SWAP = disk('disk.swap', model.BaseKind.HOST_GENERATED)
UNSHELVED = disk('disk', model.BaseKind.OTHER)
ALONE = disk('disk.eph0')
CONFIG = disk('disk.config', format='raw', read_only=True)
VFAT_CONFIG = disk('disk.config', format='raw')
VOLUME_GROUP = disk('uuid_disk', format='raw', file=False)
LUKS = disk('disk', readable=False)


def method(item, facts, packed=None, limit=100):
    sizes = {} if packed is None else {item.name: packed}
    (disk_plan,) = plan.disk_plans([item], facts, sizes, limit)
    return disk_plan.method


class TravelTest(base.TestCase):
    def test_image_base_is_fetched_by_either_driver(self):
        self.assertEqual(model.TransferMethod.FETCH, method(IMAGE, BLOCKMIG))
        self.assertEqual(model.TransferMethod.FETCH, method(IMAGE, IN_TREE))

    def test_root_disk_of_an_iso_image_is_fetched(self):
        iso = disk(
            'disk',
            model.BaseKind.IMAGE,
            read_only=True,
            allocated_bytes=200704,
        )
        for peer in plan.Peer:
            for full_copy in (False, True):
                facts = plan.Facts(destination=peer, full_copy=full_copy)
                self.assertEqual(
                    model.TransferMethod.FETCH, method(iso, facts)
                )
            facts = plan.Facts(destination=peer, image_available=False)
            self.assertEqual(model.TransferMethod.REFUSE, method(iso, facts))

    def test_read_only_disk_that_was_written_to_is_refused(self):
        iso = disk(
            'disk',
            model.BaseKind.IMAGE,
            read_only=True,
            allocated_bytes=2 << 20,
        )
        self.assertEqual(model.TransferMethod.REFUSE, method(iso, BLOCKMIG))

    def test_image_that_left_glance_is_flattened(self):
        for peer in plan.Peer:
            facts = plan.Facts(destination=peer, image_available=False)
            self.assertEqual(
                model.TransferMethod.FLATTEN, method(IMAGE, facts)
            )

    def test_base_that_is_no_image_is_flattened(self):
        self.assertEqual(
            model.TransferMethod.FLATTEN, method(UNSHELVED, BLOCKMIG)
        )
        self.assertEqual(
            model.TransferMethod.FLATTEN, method(UNSHELVED, IN_TREE)
        )

    def test_disk_without_base_is_copied(self):
        for item in (ALONE, VFAT_CONFIG):
            self.assertEqual(model.TransferMethod.COPY, method(item, BLOCKMIG))
            self.assertEqual(model.TransferMethod.COPY, method(item, IN_TREE))

    def test_host_made_base_is_carried_up_to_the_limit(self):
        self.assertEqual(
            model.TransferMethod.INLINE, method(SWAP, BLOCKMIG, 100)
        )
        self.assertEqual(
            model.TransferMethod.FLATTEN, method(SWAP, BLOCKMIG, 101)
        )

    def test_host_made_base_too_large_to_pack_is_flattened(self):
        (disk_plan,) = plan.disk_plans(
            [SWAP], BLOCKMIG, {SWAP.name: None}, 100
        )
        self.assertEqual(model.TransferMethod.FLATTEN, disk_plan.method)

    def test_host_made_base_is_flattened_for_an_in_tree_destination(self):
        self.assertEqual(
            model.TransferMethod.FLATTEN, method(EPHEMERAL, IN_TREE)
        )

    def test_config_drive_is_carried_or_refused(self):
        self.assertEqual(
            model.TransferMethod.INLINE, method(CONFIG, BLOCKMIG, 100)
        )
        self.assertEqual(
            model.TransferMethod.REFUSE, method(CONFIG, BLOCKMIG, 101)
        )
        self.assertEqual(model.TransferMethod.REFUSE, method(CONFIG, IN_TREE))

    def test_read_only_disk_that_is_no_plain_file_is_refused(self):
        for item in (
            disk('disk.config', model.BaseKind.HOST_GENERATED, read_only=True),
            disk('disk.config', read_only=True),
        ):
            self.assertFalse(plan.may_inline(item, BLOCKMIG))
            self.assertEqual(
                model.TransferMethod.REFUSE, method(item, BLOCKMIG)
            )

    def test_block_device_and_encrypted_disk_are_refused(self):
        for item in (VOLUME_GROUP, LUKS):
            for facts in (BLOCKMIG, IN_TREE):
                self.assertEqual(
                    model.TransferMethod.REFUSE, method(item, facts)
                )

    def test_full_copy_needs_no_base(self):
        facts = plan.Facts(destination=plan.Peer.BLOCKMIG, full_copy=True)
        for item in (IMAGE, EPHEMERAL, SWAP, UNSHELVED, ALONE):
            self.assertFalse(plan.may_inline(item, facts))
            self.assertEqual(model.TransferMethod.COPY, method(item, facts))

    def test_full_copy_still_carries_the_config_drive(self):
        facts = plan.Facts(destination=plan.Peer.BLOCKMIG, full_copy=True)
        self.assertTrue(plan.may_inline(CONFIG, facts))
        self.assertEqual(model.TransferMethod.INLINE, method(CONFIG, facts, 1))

    def test_full_copy_to_in_tree_is_flattened(self):
        facts = plan.Facts(destination=plan.Peer.IN_TREE, full_copy=True)
        self.assertEqual(model.TransferMethod.FLATTEN, method(IMAGE, facts))
        self.assertEqual(model.TransferMethod.COPY, method(ALONE, facts))

    def test_every_route_says_why(self):
        for item in (IMAGE, EPHEMERAL, UNSHELVED, ALONE, CONFIG, LUKS):
            for facts in (BLOCKMIG, IN_TREE):
                (disk_plan,) = plan.disk_plans([item], facts, {}, 100)
                self.assertNotEqual('', disk_plan.reason)


class MayCarryTest(base.TestCase):
    def test_what_is_worth_packing(self):
        worth = {
            item.name
            for item in (IMAGE, EPHEMERAL, SWAP, CONFIG, VOLUME_GROUP)
            if plan.may_inline(item, BLOCKMIG)
        }
        self.assertEqual({'disk.eph0', 'disk.swap', 'disk.config'}, worth)

    def test_nothing_for_an_in_tree_destination(self):
        for item in (EPHEMERAL, SWAP, CONFIG):
            self.assertFalse(plan.may_inline(item, IN_TREE))


class LimitTest(base.TestCase):
    """The limit holds for the instance as a whole."""

    def disk_plans(self, packed, limit):
        disks = [EPHEMERAL, SWAP, CONFIG]
        return {
            disk_plan.disk.name: disk_plan.method
            for disk_plan in plan.disk_plans(disks, BLOCKMIG, packed, limit)
        }

    def test_config_drive_comes_first(self):
        packed = {'disk.eph0': 50, 'disk.swap': 40, 'disk.config': 60}
        self.assertEqual(
            {
                'disk.eph0': model.TransferMethod.FLATTEN,
                'disk.swap': model.TransferMethod.INLINE,
                'disk.config': model.TransferMethod.INLINE,
            },
            self.disk_plans(packed, 100),
        )

    def test_all_fit_exactly(self):
        packed = {'disk.eph0': 50, 'disk.swap': 40, 'disk.config': 10}
        self.assertEqual(
            {model.TransferMethod.INLINE},
            set(self.disk_plans(packed, 100).values()),
        )

    def test_routes_keep_the_order_of_the_disks(self):
        packed = {'disk.eph0': 1, 'disk.swap': 2, 'disk.config': 3}
        self.assertEqual(
            ['disk.eph0', 'disk.swap', 'disk.config'],
            list(self.disk_plans(packed, 100)),
        )

    def test_limit_zero_carries_nothing(self):
        packed = {'disk.eph0': 1, 'disk.swap': 1, 'disk.config': 1}
        self.assertNotIn(
            model.TransferMethod.INLINE, self.disk_plans(packed, 0).values()
        )


class UncertainBaseTest(base.TestCase):
    """Only QEMU knows what the guest reads of a base that was made anew."""

    def uncertain(self, item):
        return dataclasses.replace(
            item, base=dataclasses.replace(item.base, certain=False)
        )

    def test_it_is_flattened(self):
        for item in (IMAGE, EPHEMERAL, SWAP, UNSHELVED):
            for facts in (BLOCKMIG, IN_TREE):
                self.assertEqual(
                    model.TransferMethod.FLATTEN,
                    method(self.uncertain(item), facts, packed=10),
                )

    def test_nothing_is_read_of_it(self):
        self.assertTrue(plan.may_inline(EPHEMERAL, BLOCKMIG))
        self.assertFalse(plan.may_inline(self.uncertain(EPHEMERAL), BLOCKMIG))
        self.assertTrue(plan.needs_digest(IMAGE, BLOCKMIG))
        self.assertFalse(plan.needs_digest(self.uncertain(IMAGE), BLOCKMIG))

    def test_a_full_copy_needs_no_base(self):
        facts = plan.Facts(destination=plan.Peer.BLOCKMIG, full_copy=True)
        self.assertEqual(
            model.TransferMethod.COPY, method(self.uncertain(IMAGE), facts)
        )


class CachedBaseTest(base.TestCase):
    """The destination said what it has in its image cache."""

    def method(self, there, available=True, ours='a' * 64):
        facts = plan.Facts(
            destination=plan.Peer.BLOCKMIG,
            image_available=available,
            destination_digest=there,
        )
        digests = {'disk': ours} if ours else {}
        (disk_plan,) = plan.disk_plans([IMAGE], facts, {}, 100, digests)
        return disk_plan.method

    def test_the_same_base_needs_no_glance(self):
        for available in (True, False):
            self.assertEqual(
                model.TransferMethod.FETCH, self.method('a' * 64, available)
            )

    def test_another_base_is_not_used(self):
        for available in (True, False):
            self.assertEqual(
                model.TransferMethod.FLATTEN, self.method('b' * 64, available)
            )

    def test_bases_that_are_not_to_be_compared(self):
        self.assertEqual(
            model.TransferMethod.FETCH, self.method('b' * 64, ours=None)
        )

    def test_what_needs_a_digest(self):
        full_copy = dataclasses.replace(BLOCKMIG, full_copy=True)
        gone = dataclasses.replace(BLOCKMIG, image_available=False)
        cached = dataclasses.replace(gone, destination_digest='a' * 64)
        for facts, needed in (
            (BLOCKMIG, True),
            (IN_TREE, False),
            (full_copy, False),
            (gone, False),
            (cached, True),
        ):
            self.assertIs(needed, plan.needs_digest(IMAGE, facts))
            self.assertFalse(plan.needs_digest(EPHEMERAL, facts))
            self.assertFalse(plan.needs_digest(ALONE, facts))
