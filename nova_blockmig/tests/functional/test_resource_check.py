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


"""The resource check through Nova's API, old and new."""

import os
import threading
from typing import Any

import fixtures
from nova.tests import fixtures as nova_fixtures

from nova_blockmig import conf
from nova_blockmig.compute import resource_check
from nova_blockmig.tests.functional import base
from nova_blockmig.tests.functional import migrating

MIB, GIB = 2**20, 2**30
SOURCE = migrating.SOURCE
DESTINATION = migrating.DESTINATION
SPARE = migrating.SPARE


class MicroversionTest(migrating.MigratingBase):
    """Ten GiB of disk, and a destination that first has nine."""

    WHY = r'needs 10 GiB, 9 GiB available, 1 GiB short'

    def setUp(self) -> None:
        super().setUp()
        self.start_host(SOURCE)
        self.server = self.boot(SOURCE, disk=10 * GIB)
        self.start_host(DESTINATION, 9 * GIB)
        self.cache_image(DESTINATION, self.server)

    def check_version(self, version: str, **more: Any) -> None:
        request = {'version': version, **more}
        self.assert_refused(self.server, self.WHY, **request)
        self.set_free(DESTINATION, 10 * GIB)
        self.assert_moves(self.server, DESTINATION, **request)

    def test_2_1_forced(self):
        self.check_version('2.1', host=DESTINATION, disk_over_commit=False)

    def test_2_24_forced(self):
        self.check_version('2.24', host=DESTINATION, disk_over_commit=False)

    def test_2_24_scheduled(self):
        self.check_version('2.24', disk_over_commit=False)

    def test_2_25_forced(self):
        self.check_version('2.25', host=DESTINATION)

    def test_2_30_forced(self):
        self.check_version('2.30', host=DESTINATION, force=True)

    def test_2_30_asked_for(self):
        self.check_version('2.30', host=DESTINATION)

    def test_2_68_asked_for(self):
        self.check_version('2.68', host=DESTINATION)

    def test_2_68_scheduled(self):
        self.check_version('2.68')

    def test_latest_asked_for(self):
        self.check_version('latest', host=DESTINATION)

    def test_latest_scheduled(self):
        self.check_version('latest')

    def test_latest_auto(self):
        self.check_version('latest', block_migration='auto')


class CandidatesTest(migrating.MigratingBase):
    """The scheduler prefers a host that turns out to be too small."""

    def setUp(self) -> None:
        self.useFixture(
            nova_fixtures.HostNameWeigherFixture(
                weights={SOURCE: 300, DESTINATION: 200, SPARE: 100}
            )
        )
        super().setUp()
        self.start_host(SOURCE)
        self.server = self.boot(SOURCE, disk=10 * GIB)
        self.start_host(DESTINATION, 9 * GIB)
        self.start_host(SPARE)

    def test_the_second_is_taken(self):
        self.assert_moves(self.server, SPARE)
        self.assertIn(
            'needs 10 GiB, 8.98 GiB available', self.refusal(self.server)
        )

    def test_ram_too(self):
        """Placement does not know what only the record says."""
        self.set_free(DESTINATION, 50 * GIB)
        self.set_record(DESTINATION, free_ram_mb=511)
        self.assert_moves(self.server, SPARE)
        self.assertIn(
            f'does not fit on {DESTINATION}: RAM: needs 512 MiB, 511 MiB '
            'available, 1 MiB short',
            self.refusal(self.server),
        )


class RecordTest(migrating.MigratingBase):
    """Records that are odd, and images that are not there yet."""

    def setUp(self) -> None:
        super().setUp()
        self.start_host(SOURCE)
        self.server = self.boot(SOURCE, disk=10 * GIB)
        self.start_host(DESTINATION, 10 * GIB)

    def test_an_image_that_is_not_cached_counts(self):
        self.assert_refused(self.server, r'24 MiB short')
        self.cache_image(DESTINATION, self.server)
        self.assert_moves(self.server, DESTINATION)

    def test_disk_available_least_is_null(self):
        self.set_record(DESTINATION, disk_available_least=None)
        self.assert_refused(
            self.server, r'image base.* has no disk_available_least'
        )
        self.cache_image(DESTINATION, self.server)
        self.assert_refused(self.server, r'10 GiB, 0 bytes available')

    def test_reserve(self):
        self.cache_image(DESTINATION, self.server)
        self.per_host.options[DESTINATION]['reserved_host_disk_mb'] = 2
        self.assert_refused(self.server, r'2 MiB short')


class OverCommitTest(migrating.MigratingBase):
    """Ten GiB that occupy nothing, and a destination with one GiB."""

    def start(self, policy: str) -> None:
        conf.register_opts(base.CONF)
        self.flags(disk_over_commit=policy, group='blockmig')
        self.start_host(SOURCE)
        self.server = self.boot(SOURCE, disk=10 * GIB)
        self.start_host(DESTINATION, GIB)
        self.cache_image(DESTINATION, self.server)

    def test_actual(self):
        self.start('actual')
        self.assert_refused(
            self.server, 'short', version='2.24', disk_over_commit=False
        )
        self.assert_moves(self.server, DESTINATION)

    def test_skip(self):
        self.start('skip')
        self.assert_refused(
            self.server, 'short', version='2.24', disk_over_commit=False
        )
        self.assert_moves(self.server, DESTINATION)

    def test_the_request_says_it(self):
        self.start('virtual')
        self.assert_refused(self.server, 'short')
        self.assert_moves(
            self.server, DESTINATION, version='2.24', disk_over_commit=True
        )

    def test_what_is_really_free_counts(self):
        self.start('actual')
        path = os.path.join(self.instance_path(SOURCE, self.server), 'disk')
        with open(path, 'r+b') as file:
            file.write(os.urandom(2 * MIB))
        self.free[DESTINATION] = MIB
        self.assert_refused(self.server, r'allocated sizes.* 1 MiB short')


class OneAfterTheOtherTest(migrating.MigratingBase):
    """Flavors of ten GiB that occupy one MiB, and nine GiB that are free."""

    def test_nothing_is_left_to_write_of_what_has_arrived(self):
        conf.register_opts(base.CONF)
        self.flags(disk_over_commit='actual', group='blockmig')
        self.start_host(SOURCE)
        servers = [
            self.boot(SOURCE, disk_gb=10, disk=10 * GIB) for _ in range(2)
        ]
        for server in servers:
            path = os.path.join(self.instance_path(SOURCE, server), 'disk')
            with open(path, 'r+b') as file:
                file.write(os.urandom(MIB))
        self.start_host(DESTINATION)
        self.cache_image(DESTINATION, servers[0])
        self.free[DESTINATION] = 9 * GIB
        for server in servers:
            self.assert_moves(server, DESTINATION)


class TwoAtOnceTest(migrating.MigratingBase):
    """Room for fifteen GiB, and two servers of ten."""

    def setUp(self) -> None:
        super().setUp()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.start_host(SOURCE)
        self.first = self.boot(SOURCE, disk_gb=10, disk=10 * GIB)
        self.second = self.boot(SOURCE, disk_gb=10, disk=10 * GIB)
        self.start_host(DESTINATION, 15 * GIB)
        self.cache_image(DESTINATION, self.first)

    def _copy(self, *args: Any, **kwargs: Any) -> None:
        self.go_on.wait(60)
        super()._copy(*args, **kwargs)

    def test_the_first_is_being_copied(self):
        self.request(self.first)
        self._wait_for_migration_status(self.first, ['running'])
        self.assert_only_the_first_goes_on()

    def test_the_first_is_still_being_checked(self):
        """The database does not show yet where it goes."""
        at_source = resource_check.ResourceCheck.at_source
        reached = threading.Event()

        def wait(checker: Any, instance: Any, *args: Any) -> None:
            if instance.uuid == self.first['id']:
                reached.set()
                self.go_on.wait(60)
            at_source(checker, instance, *args)

        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.compute.resource_check.ResourceCheck.at_source',
                wait,
            )
        )
        self.request(self.first)
        self.assertTrue(reached.wait(60))
        self.assert_only_the_first_goes_on()

    def assert_only_the_first_goes_on(self) -> None:
        self.assert_refused(self.second, r'10 GiB, 5 GiB available')
        self.go_on.set()
        self._wait_for_server_parameter(
            self.first,
            {'OS-EXT-SRV-ATTR:host': DESTINATION, 'status': 'ACTIVE'},
            max_retries=40,
        )


class MixedCloudTest(migrating.MigratingBase):
    """One side, or both, with Nova's own driver."""

    def start(
        self, source_is_in_tree: bool, destination_is_in_tree: bool
    ) -> None:
        self.start_host(SOURCE, in_tree=source_is_in_tree)
        self.server = self.boot(SOURCE, disk=10 * GIB)
        self.start_host(DESTINATION, 9 * GIB, in_tree=destination_is_in_tree)
        self.cache_image(DESTINATION, self.server)

    def test_in_tree_checks_nothing(self):
        """If this fails, the tests beside it prove less than they say."""
        self.start(source_is_in_tree=True, destination_is_in_tree=True)
        self.assert_moves(self.server, DESTINATION)

    def test_our_destination_makes_an_in_tree_source_check(self):
        self.start(source_is_in_tree=True, destination_is_in_tree=False)
        self.assert_refused(self.server, 'Disk of instance is too large')
        self.set_free(DESTINATION, 10 * GIB)
        self.assert_moves(self.server, DESTINATION)

    def test_our_source_checks_with_an_in_tree_destination(self):
        self.start(source_is_in_tree=False, destination_is_in_tree=True)
        self.assert_refused(self.server, r'10 GiB, 9 GiB available')
        self.set_free(DESTINATION, 10 * GIB)
        self.assert_moves(self.server, DESTINATION)
