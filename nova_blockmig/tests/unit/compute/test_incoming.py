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


"""Tests of what is on its way to a host."""

import datetime
import os

import fixtures
from nova import objects
import nova.conf
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import image_cache
from nova_blockmig.compute import incoming
from nova_blockmig.compute import tracker
from nova_blockmig.core import capacity
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

MIB, GIB = 2**20, 2**30
SELF, A, B, C = 'self', 'aaaa', 'bbbb', 'cccc'
NOON = datetime.datetime(2012, 7, 9, 12, 0, 0)


def instance(uuid, **flavor):
    given = {'memory_mb': 2048, 'root_gb': 10, 'ephemeral_gb': 5, 'swap': 512}
    return nova_objects.instance(
        uuid=uuid,
        image_ref='c5a6b1b4',
        task_state='migrating',
        flavor=nova_objects.flavor(**{**given, **flavor}),
    )


def migration(uuid, **values):
    given = {
        'instance_uuid': uuid,
        'dest_compute': 'server-01',
        'dest_node': 'server-01',
        'disk_remaining': None,
        'created_at': NOON,
        'updated_at': None,
    }
    return nova_objects.migration(**{**given, **values})


class NeedsTest(base.TestCase):
    def test_by_flavor(self):
        need = incoming.needs(instance(A))
        self.assertEqual(2 * GIB, need.memory_bytes)
        self.assertEqual(15 * GIB + 512 * MIB, need.disk_bytes)
        self.assertEqual(need.disk_bytes, need.left_bytes)

    def test_a_volume_backed_instance_has_no_root_disk(self):
        one = instance(A)
        one.image_ref = ''
        self.assertEqual(5 * GIB + 512 * MIB, incoming.needs(one).disk_bytes)

    def unbounded(self):
        """The needs of an instance whose flavor has root_gb = 0."""
        path = self.useFixture(fixtures.TempDir()).path
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(instances_path=path)
        os.mkdir(os.path.join(path, '_base'))
        one = instance(A, root_gb=0, ephemeral_gb=0, swap=0)
        base = image_cache.imagecache.get_cache_fname(one.image_ref)
        return one, image_cache.cached_path(base)

    def test_a_flavor_without_a_bound_takes_the_images_size(self):
        one, base = self.unbounded()
        with open(base, 'wb') as file:
            file.truncate(3 * GIB)
        self.assertEqual(3 * GIB, incoming.needs(one).disk_bytes)

    def test_of_an_image_that_is_not_cached_the_least_is_known(self):
        one, _ = self.unbounded()
        self.assertEqual(0, incoming.needs(one).disk_bytes)
        one.system_metadata['image_min_disk'] = '2'
        self.assertEqual(2 * GIB, incoming.needs(one).disk_bytes)


class OthersTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(instances_path=self.path, host='server-01')
        self.now = 1000.0
        self.reservations = incoming.Reservations(lambda: self.now)
        self.context = nova_objects.context(is_admin=False)
        self.migrations: list[objects.Migration] = []
        self.instances = [instance(uuid) for uuid in (A, B, C)]
        self.migration_list = self.fake(
            'MigrationList', lambda *_: self.migrations
        )
        self.instance_list = self.fake(
            'InstanceList',
            lambda _, filters, **__: [
                i for i in self.instances if i.uuid in filters['uuid']
            ],
        )

    def fake(self, name, query):
        return self.useFixture(
            nova_objects.answering(name, get_by_filters=query)
        ).mock

    def others(self, **counted):
        this = instance(SELF)
        coming = self.reservations.current(
            incoming.migrating(self.context, this)
        )
        found = incoming.others(this, coming, tracker.Counted(**counted))
        return {one.instance: one for one in found}

    def admin(self, asked):
        """The context that was used; migrations of all projects count."""
        context = asked.get_by_filters.call_args.args[0]
        self.assertTrue(context.is_admin)
        return context

    def test_nothing_takes_one_trip(self):
        self.assertEqual({}, self.others())
        self.migration_list.get_by_filters.assert_called_once_with(
            self.admin(self.migration_list),
            {
                'host': 'server-01',
                'migration_type': 'live-migration',
                'status': ['accepted', 'queued', 'preparing', 'running'],
            },
        )
        self.instance_list.get_by_filters.assert_not_called()

    def test_several_take_two_trips(self):
        self.migrations = [migration(A), migration(B)]
        self.assertEqual({A, B}, set(self.others()))
        self.instance_list.get_by_filters.assert_called_once_with(
            self.admin(self.instance_list),
            {'uuid': [A, B], 'deleted': False},
            expected_attrs=['flavor', 'system_metadata'],
        )

    def test_outgoing_ones_do_not_count(self):
        self.migrations = [migration(A, dest_compute='server2')]
        self.assertEqual({}, self.others())

    def test_a_row_that_outlived_its_migration(self):
        """The source's nova-compute died while it was being prepared."""
        self.migrations = [migration(A)]
        (row,) = (i for i in self.instances if i.uuid == A)
        row.task_state = None
        self.assertEqual({}, self.others())
        row.task_state = 'migrating'
        self.assertEqual({A}, set(self.others()))
        row.vm_state = 'error'
        self.assertEqual({}, self.others())
        row.vm_state = 'paused'
        self.assertEqual({A}, set(self.others()))

    def test_a_row_whose_instance_is_here(self):
        self.migrations = [migration(A)]
        self.instances[0].host = 'server-01'
        self.assertEqual({}, self.others())

    def test_only_the_newest_row_of_an_instance(self):
        """It comes back from here, and the row of its coming was left."""
        later = NOON + datetime.timedelta(hours=1)
        left = migration(A)
        back = migration(A, dest_compute='server2', created_at=later)
        for rows in ([left, back], [back, left]):
            self.migrations = rows
            self.assertEqual({}, self.others())
        left.updated_at = later + datetime.timedelta(hours=1)
        self.assertEqual({A}, set(self.others()))

    def test_a_request_that_names_the_host_has_not_passed_yet(self):
        """Else two such requests would each refuse the other."""
        self.migrations = [migration(A, dest_node=None)]
        self.assertEqual({}, self.others())

    def test_not_the_instance_itself(self):
        self.migrations = [migration(SELF)]
        self.reservations.hold(incoming.needs(instance(SELF)), 'x', 60)
        self.assertEqual({}, self.others())

    def test_an_instance_that_is_gone(self):
        self.migrations = [migration('gone'), migration(A)]
        self.assertEqual({A}, set(self.others()))

    def test_what_is_left_is_what_libvirt_says(self):
        self.migrations = [migration(A, disk_remaining=7 * GIB)]
        one = self.others()[A]
        self.assertEqual(7 * GIB, one.left_bytes)
        self.assertEqual(15 * GIB + 512 * MIB, one.disk_bytes)

    def test_zero_says_nothing(self):
        self.migrations = [migration(A, disk_remaining=0)]
        one = self.others()[A]
        self.assertEqual(one.disk_bytes, one.left_bytes)

    def test_what_is_written_already_is_not_left(self):
        os.mkdir(os.path.join(self.path, A))
        disk = os.path.join(self.path, A, 'disk')
        with open(disk, 'wb') as file:
            file.write(os.urandom(MIB))
        written = os.stat(disk).st_blocks * 512
        self.migrations = [migration(A)]
        one = self.others()[A]
        self.assertEqual(one.disk_bytes - written, one.left_bytes)

    def test_a_directory_that_cannot_be_read_counts_as_empty(self):
        with open(os.path.join(self.path, A), 'wb'):
            pass
        self.migrations = [migration(A)]
        one = self.others()[A]
        self.assertEqual(one.disk_bytes, one.left_bytes)

    def test_never_less_than_nothing(self):
        os.mkdir(os.path.join(self.path, A))
        with open(os.path.join(self.path, A, 'disk'), 'wb') as file:
            file.write(os.urandom(MIB))
        self.instances = [instance(A, root_gb=0, ephemeral_gb=0, swap=0)]
        self.migrations = [migration(A)]
        self.assertEqual(0, self.others()[A].left_bytes)

    def test_counted_ones_are_marked(self):
        self.migrations = [migration(A), migration(B)]
        found = self.others(flavors={A, B}, disks={B})
        self.assertEqual(
            [(True, False), (True, True)],
            [(i.flavor_counted, i.disks_counted) for i in found.values()],
        )

    def test_shared_storage_takes_memory_only(self):
        self.migrations = [migration(A), migration(B)]
        self.reservations.agreed(A, 60, memory_only=True)
        found = self.others()
        self.assertEqual(0, found[A].disk_bytes + found[A].left_bytes)
        self.assertEqual(2 * GIB, found[A].memory_bytes)
        self.assertNotEqual(0, found[B].disk_bytes)
        # A later migration of the same instance may be another kind.
        self.migrations = []
        self.others()
        self.migrations = [migration(A)]
        self.assertNotEqual(0, self.others()[A].disk_bytes)

    def test_a_reservation_counts_until_the_database_shows_it(self):
        reserved = capacity.Incoming(A, 1, 2, 3)
        self.reservations.hold(reserved, 'x', 60)
        self.assertEqual(reserved, self.others()[A])
        self.migrations = [migration(A)]
        self.assertEqual(2 * GIB, self.others()[A].memory_bytes)


class ReservationsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.reservations = incoming.Reservations(lambda: self.now)

    def hold(self, uuid, check='x', seconds=60):
        self.reservations.hold(
            capacity.Incoming(uuid, 1, 1, 1), check, seconds
        )

    @property
    def held(self):
        return [i.instance for i in self.reservations.current()]

    def test_it_runs_out(self):
        self.hold(A)
        self.now += 59
        self.assertEqual([A], self.held)
        self.now += 1
        self.assertEqual([], self.held)

    def test_it_ends_with_a_check_that_failed(self):
        self.hold(A, 'x')
        self.hold(B, 'y')
        self.reservations.end_check('x')
        self.assertEqual([B], self.held)

    def test_it_outlives_a_check_that_passed(self):
        self.hold(A, 'x', 10)
        self.reservations.agreed(A, 60)
        self.reservations.end_check('x')
        self.now += 59
        self.assertEqual([A], self.held)
        self.now += 1
        self.assertEqual([], self.held)

    def test_nothing_is_left_to_write_of_what_has_arrived(self):
        coming = capacity.Incoming(A, 1, 2, 3)
        self.reservations.hold(coming, 'x', 60)
        self.reservations.arrived(coming, 60)
        (held,) = self.reservations.current()
        # The record may not count its disks yet.
        self.assertEqual((2, 0), (held.disk_bytes, held.left_bytes))

    def test_it_begins_anew_when_the_instance_arrives(self):
        """Its queue may have been longer than a reservation lasts."""
        self.hold(A, seconds=10)
        self.reservations.agreed(A, 10)
        self.now += 600
        self.assertEqual([], self.held)
        self.reservations.arrived(capacity.Incoming(A, 1, 2, 3), 60)
        self.reservations.end_check('x')
        self.now += 59
        self.assertEqual([A], self.held)
        self.now += 1
        self.assertEqual([], self.held)

    def test_what_has_arrived_and_left_again(self):
        for uuid in (A, B):
            self.reservations.arrived(capacity.Incoming(uuid, 1, 2, 3), 60)
        self.hold(C)
        arrivals = self.reservations.arrivals()
        self.assertEqual({A, B}, set(arrivals))
        self.reservations.left({A: arrivals[A]})
        self.assertEqual([B, C], self.held)

    def test_what_left_and_comes_again_is_counted(self):
        self.reservations.arrived(capacity.Incoming(A, 1, 2, 3), 60)
        arrivals = self.reservations.arrivals()
        self.hold(A, 'y')
        self.reservations.left(arrivals)
        self.assertEqual([A], self.held)

    def test_what_has_arrived_without_its_disks(self):
        self.hold(A)
        self.reservations.agreed(A, 60, memory_only=True)
        self.reservations.arrived(capacity.Incoming(A, 1, 2, 3), 60)
        (held,) = self.reservations.current()
        self.assertEqual((1, 0), (held.memory_bytes, held.disk_bytes))

    def test_it_ends_when_the_migration_is_rolled_back(self):
        self.hold(A, 'x')
        self.hold(B, 'y')
        self.reservations.agreed(A, 60)
        self.reservations.end(A)
        self.assertEqual([B], self.held)

    def test_a_second_check_replaces_the_first(self):
        self.hold(A, 'x')
        self.reservations.agreed(A, 60)
        self.hold(A, 'y')
        self.reservations.end_check('x')
        self.assertEqual([A], self.held)
        self.reservations.end_check('y')
        self.assertEqual([], self.held)

    def test_unknown_ones_do_no_harm(self):
        self.reservations.agreed(A, 60)
        self.reservations.end(A)
        self.reservations.end_check('x')
        self.assertEqual([], self.held)
