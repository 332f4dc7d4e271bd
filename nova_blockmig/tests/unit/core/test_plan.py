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

from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.tests.unit import base

OURS = plan.Facts(destination=plan.Peer.OURS)
STOCK = plan.Facts(destination=plan.Peer.STOCK)


def disk(name='disk', base=None, **kwargs):
    values = {
        'name': name,
        'path': f'/instances/uuid/{name}',
        'target': 'vda',
        'format': 'qcow2',
        'virtual_bytes': 1 << 30,
        'allocated_bytes': 1 << 20,
        'base': base and model.Base(f'/instances/_base/{name}', base),
    }
    values.update(kwargs)
    return model.Disk(**values)


IMAGE = disk('disk', model.BaseKind.IMAGE)
EPHEMERAL = disk('disk.eph0', model.BaseKind.HOST_MADE)
SWAP = disk('disk.swap', model.BaseKind.HOST_MADE)
UNSHELVED = disk('disk', model.BaseKind.OTHER)
ALONE = disk('disk.eph0')
CONFIG = disk('disk.config', format='raw', read_only=True)
VFAT_CONFIG = disk('disk.config', format='raw')
VOLUME_GROUP = disk('uuid_disk', format='raw', file=False)
LUKS = disk('disk', readable=False)


def travel(item, facts, packed=None, limit=100):
    sizes = {} if packed is None else {item.name: packed}
    (route,) = plan.routes([item], facts, sizes, limit)
    return route.travel


class TravelTest(base.TestCase):
    def test_image_base_is_fetched_by_either_driver(self):
        self.assertEqual(model.Travel.FETCH, travel(IMAGE, OURS))
        self.assertEqual(model.Travel.FETCH, travel(IMAGE, STOCK))

    def test_image_that_left_glance_is_flattened(self):
        for peer in plan.Peer:
            facts = plan.Facts(destination=peer, image_available=False)
            self.assertEqual(model.Travel.FLATTEN, travel(IMAGE, facts))

    def test_base_that_is_no_image_is_flattened(self):
        self.assertEqual(model.Travel.FLATTEN, travel(UNSHELVED, OURS))
        self.assertEqual(model.Travel.FLATTEN, travel(UNSHELVED, STOCK))

    def test_disk_without_base_is_copied(self):
        for item in (ALONE, VFAT_CONFIG):
            self.assertEqual(model.Travel.COPY, travel(item, OURS))
            self.assertEqual(model.Travel.COPY, travel(item, STOCK))

    def test_host_made_base_is_carried_up_to_the_limit(self):
        self.assertEqual(model.Travel.CARRY, travel(SWAP, OURS, 100))
        self.assertEqual(model.Travel.FLATTEN, travel(SWAP, OURS, 101))

    def test_host_made_base_too_large_to_pack_is_flattened(self):
        (route,) = plan.routes([SWAP], OURS, {SWAP.name: None}, 100)
        self.assertEqual(model.Travel.FLATTEN, route.travel)

    def test_host_made_base_is_flattened_for_a_stock_destination(self):
        self.assertEqual(model.Travel.FLATTEN, travel(EPHEMERAL, STOCK))

    def test_config_drive_is_carried_or_refused(self):
        self.assertEqual(model.Travel.CARRY, travel(CONFIG, OURS, 100))
        self.assertEqual(model.Travel.REFUSE, travel(CONFIG, OURS, 101))
        self.assertEqual(model.Travel.REFUSE, travel(CONFIG, STOCK))

    def test_read_only_disk_that_is_no_plain_file_is_refused(self):
        for item in (
            disk('disk.config', model.BaseKind.HOST_MADE, read_only=True),
            disk('disk.config', read_only=True),
        ):
            self.assertFalse(plan.may_carry(item, OURS))
            self.assertEqual(model.Travel.REFUSE, travel(item, OURS))

    def test_block_device_and_encrypted_disk_are_refused(self):
        for item in (VOLUME_GROUP, LUKS):
            for facts in (OURS, STOCK):
                self.assertEqual(model.Travel.REFUSE, travel(item, facts))

    def test_full_copy_needs_no_base(self):
        facts = plan.Facts(destination=plan.Peer.OURS, full_copy=True)
        for item in (IMAGE, EPHEMERAL, SWAP, UNSHELVED, ALONE):
            self.assertFalse(plan.may_carry(item, facts))
            self.assertEqual(model.Travel.COPY, travel(item, facts))

    def test_full_copy_still_carries_the_config_drive(self):
        facts = plan.Facts(destination=plan.Peer.OURS, full_copy=True)
        self.assertTrue(plan.may_carry(CONFIG, facts))
        self.assertEqual(model.Travel.CARRY, travel(CONFIG, facts, 1))

    def test_full_copy_to_stock_is_flattened(self):
        facts = plan.Facts(destination=plan.Peer.STOCK, full_copy=True)
        self.assertEqual(model.Travel.FLATTEN, travel(IMAGE, facts))
        self.assertEqual(model.Travel.COPY, travel(ALONE, facts))

    def test_every_route_says_why(self):
        for item in (IMAGE, EPHEMERAL, UNSHELVED, ALONE, CONFIG, LUKS):
            for facts in (OURS, STOCK):
                (route,) = plan.routes([item], facts, {}, 100)
                self.assertNotEqual('', route.reason)


class MayCarryTest(base.TestCase):
    def test_what_is_worth_packing(self):
        worth = {
            item.name
            for item in (IMAGE, EPHEMERAL, SWAP, CONFIG, VOLUME_GROUP)
            if plan.may_carry(item, OURS)
        }
        self.assertEqual({'disk.eph0', 'disk.swap', 'disk.config'}, worth)

    def test_nothing_for_a_stock_destination(self):
        for item in (EPHEMERAL, SWAP, CONFIG):
            self.assertFalse(plan.may_carry(item, STOCK))


class LimitTest(base.TestCase):
    """The limit holds for the instance as a whole."""

    def routes(self, packed, limit):
        disks = [EPHEMERAL, SWAP, CONFIG]
        return {
            route.disk.name: route.travel
            for route in plan.routes(disks, OURS, packed, limit)
        }

    def test_config_drive_comes_first(self):
        packed = {'disk.eph0': 50, 'disk.swap': 40, 'disk.config': 60}
        self.assertEqual(
            {
                'disk.eph0': model.Travel.FLATTEN,
                'disk.swap': model.Travel.CARRY,
                'disk.config': model.Travel.CARRY,
            },
            self.routes(packed, 100),
        )

    def test_all_fit_exactly(self):
        packed = {'disk.eph0': 50, 'disk.swap': 40, 'disk.config': 10}
        self.assertEqual(
            {model.Travel.CARRY}, set(self.routes(packed, 100).values())
        )

    def test_routes_keep_the_order_of_the_disks(self):
        packed = {'disk.eph0': 1, 'disk.swap': 2, 'disk.config': 3}
        self.assertEqual(
            ['disk.eph0', 'disk.swap', 'disk.config'],
            list(self.routes(packed, 100)),
        )

    def test_limit_zero_carries_nothing(self):
        packed = {'disk.eph0': 1, 'disk.swap': 1, 'disk.config': 1}
        self.assertNotIn(model.Travel.CARRY, self.routes(packed, 0).values())
