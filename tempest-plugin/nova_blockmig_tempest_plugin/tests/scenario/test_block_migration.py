# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Data on every local disk, across block live migrations."""

from typing import Any

from tempest import config
from tempest.common import compute
from tempest.lib import decorators
from tempest.lib import exceptions
from tempest.lib.common import api_microversion_fixture
from tempest.lib.common.utils import data_utils
from tempest.lib.common.utils import test_utils
import tempest.test

from nova_blockmig_tempest_plugin import guests

CONF = config.CONF
# The last one whose requests can say disk_over_commit.
OVER_COMMIT = '2.24'
# Names the destination, leaves the kind of migration to Nova, and still
# lets networks be left out.
LATEST = '2.37'
SWAP_MIB = 64
ENDED = {'completed', 'failed', 'error', 'cancelled'}


class BlockMigrationTest(tempest.test.BaseTestCase):
    credentials = ('primary', 'admin')

    @classmethod
    def skip_checks(cls) -> None:
        super().skip_checks()
        features = CONF.compute_feature_enabled
        if not (
            features.live_migration
            and features.block_migration_for_live_migration
        ):
            raise cls.skipException('block live migration is not available')
        if CONF.compute.min_compute_nodes < 2:
            raise cls.skipException('there are less than two compute hosts')
        if CONF.blockmig.guest == 'ssh' and not CONF.validation.run_validation:
            raise cls.skipException('no guest can be looked into')

    @classmethod
    def setup_credentials(cls) -> None:
        if CONF.blockmig.guest == 'ssh':
            cls.set_network_resources(
                network=True, subnet=True, router=True, dhcp=True
            )
        else:
            cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls) -> None:
        super().setup_clients()
        cls.servers = cls.os_admin.servers_client
        cls.flavors = cls.os_admin.flavors_client
        cls.migrations = cls.os_admin.migrations_client

    def use_microversion(self, version: str) -> None:
        self.useFixture(
            api_microversion_fixture.APIMicroversionFixture(
                compute_microversion=version
            )
        )

    # -- instances ---------------------------------------------------------

    def make_flavor(self, ephemeral_gib: int) -> str:
        flavor = self.flavors.create_flavor(
            name=data_utils.rand_name('blockmig'),
            ram=CONF.blockmig.ram_mib,
            vcpus=1,
            disk=CONF.blockmig.root_gib,
            ephemeral=ephemeral_gib,
            swap=SWAP_MIB,
        )['flavor']
        self.addCleanup(self.flavors.delete_flavor, flavor['id'])
        return str(flavor['id'])

    def boot(self, ephemerals_gib: tuple[int, ...] = (1, 1)) -> guests.Guest:
        """A guest with a root disk, some ephemerals, swap, config drive."""
        self.use_microversion(LATEST)
        server, resources = self._create_server(ephemerals_gib)
        kind = (
            guests.SshGuest
            if CONF.blockmig.guest == 'ssh'
            else guests.ConsoleGuest
        )
        # Beside the ephemerals: root, swap and config drive.
        guest = kind(self.servers, server, resources, len(ephemerals_gib) + 3)
        guest.start()
        return guest

    def _create_server(
        self, ephemerals_gib: tuple[int, ...]
    ) -> tuple[dict[str, Any], Any]:
        image = CONF.compute.image_ref
        disks = [
            {
                'boot_index': 0,
                'uuid': image,
                'source_type': 'image',
                'destination_type': 'local',
                'delete_on_termination': True,
            }
        ] + [
            {
                'boot_index': -1,
                'source_type': 'blank',
                'destination_type': 'local',
                'volume_size': size,
                'delete_on_termination': True,
            }
            for size in ephemerals_gib
        ]
        arguments: dict[str, Any] = {'config_drive': True}
        resources = None
        if CONF.blockmig.guest == 'ssh':
            resources = self.get_test_validation_resources(self.os_primary)
            arguments['validatable'] = True
            arguments['validation_resources'] = resources
            arguments['tenant_network'] = self.get_tenant_network()
        else:
            arguments['networks'] = 'none'
        server, _servers = compute.create_test_server(
            self.os_primary,
            wait_until='ACTIVE',
            flavor=self.make_flavor(sum(ephemerals_gib)),
            image_id=image,
            block_device_mapping_v2=disks,
            **arguments,
        )
        self.addCleanup(self._delete_server, server['id'])
        return self.servers.show_server(server['id'])['server'], resources

    def _delete_server(self, server_id: str) -> None:
        self.servers.delete_server(server_id)
        self.wait(
            'the deletion',
            lambda: self._status(server_id) is None,
        )

    # -- state -------------------------------------------------------------

    def wait(self, what: str, condition: Any) -> None:
        if not test_utils.call_until_true(condition, CONF.blockmig.timeout, 2):
            raise exceptions.TimeoutException(
                f'waited {CONF.blockmig.timeout} s for {what}'
            )

    def _status(self, server_id: str) -> str | None:
        try:
            server = self.servers.show_server(server_id)['server']
        except exceptions.NotFound:
            return None
        return str(server['status'])

    def host(self, guest: guests.Guest) -> str:
        server = self.servers.show_server(guest.id)['server']
        return str(server['OS-EXT-SRV-ATTR:host'])

    def other_host(self, guest: guests.Guest) -> str:
        services = self.os_admin.services_client.list_services(
            binary='nova-compute'
        )['services']
        return next(
            str(service['host'])
            for service in services
            if service['state'] == 'up'
            and service['status'] == 'enabled'
            and service['host'] != self.host(guest)
        )

    def _newest_migration(self, guest: guests.Guest) -> dict[str, Any]:
        return max(
            (
                migration
                for migration in self.migrations.list_migrations()[
                    'migrations'
                ]
                if migration['instance_uuid'] == guest.id
            ),
            key=lambda migration: migration['id'],
            default={'id': 0, 'status': None},
        )

    # -- migrations --------------------------------------------------------

    def migrate(
        self, guest: guests.Guest, over_commit: bool | None = None
    ) -> bool:
        """Whether the guest moved; False if it was refused.

        Anything between the two fails the test.
        """
        source, destination = self.host(guest), self.other_host(guest)
        status = self._status(guest.id)
        last = self._newest_migration(guest)['id']
        try:
            self._request(guest, destination, over_commit)
        except exceptions.BadRequest:
            ended = 'error'
        else:
            self.wait(
                'the migration to end',
                lambda: (
                    (new := self._newest_migration(guest))['id'] > last
                    and new['status'] in ENDED
                ),
            )
            ended = self._newest_migration(guest)['status']
        self.wait(
            f'the instance to be {status}',
            lambda: self._status(guest.id) == status,
        )
        moved = ended == 'completed'
        self.assertEqual(destination if moved else source, self.host(guest))
        return moved

    def _request(
        self, guest: guests.Guest, destination: str, over_commit: bool | None
    ) -> None:
        if over_commit is None:
            self.use_microversion(LATEST)
            self.servers.live_migrate_server(
                guest.id, host=destination, block_migration='auto'
            )
            return
        self.use_microversion(OVER_COMMIT)
        self.servers.live_migrate_server(
            guest.id,
            host=destination,
            block_migration=True,
            disk_over_commit=over_commit,
        )

    def move(
        self, guest: guests.Guest, over_commit: bool | None = None
    ) -> None:
        """Migrate; only in a mixed cloud may it be refused."""
        moved = self.migrate(guest, over_commit)
        if CONF.blockmig.drivers == 'nova-blockmig':
            self.assertTrue(moved, 'the migration was refused')

    def check(self, *ways: bool | None) -> None:
        """Every byte arrives, or nothing moves, each way.

        :param ways: disk_over_commit of one migration after the other.
        """
        guest = self.boot()
        for over_commit in ways:
            before = guest.look()
            self.move(guest, over_commit)
            guest.verify(before, CONF.blockmig.timeout)

    # -- tests -------------------------------------------------------------

    @decorators.attr(type='multinode')
    @decorators.idempotent_id('0b8f2f55-6b1a-4a39-9d5d-1f0c3a9f7e01')
    def test_running(self) -> None:
        """A running guest goes there and back."""
        self.check(None, None)

    @decorators.attr(type='multinode')
    @decorators.idempotent_id('0b8f2f55-6b1a-4a39-9d5d-1f0c3a9f7e02')
    def test_paused(self) -> None:
        """A paused guest goes there and back."""
        guest = self.boot()
        for _way in ('there', 'back'):
            before = guest.look()
            self.servers.pause_server(guest.id)
            self.wait('the pause', lambda: self._status(guest.id) == 'PAUSED')
            self.move(guest)
            self.servers.unpause_server(guest.id)
            self.wait(
                'the guest to run', lambda: self._status(guest.id) == 'ACTIVE'
            )
            guest.verify(before, CONF.blockmig.timeout)

    @decorators.attr(type='multinode')
    @decorators.idempotent_id('0b8f2f55-6b1a-4a39-9d5d-1f0c3a9f7e03')
    def test_disk_over_commit(self) -> None:
        """There by the virtual sizes, back by what the disks occupy."""
        self.check(False, True)

    @decorators.attr(type=['multinode', 'negative'])
    @decorators.idempotent_id('0b8f2f55-6b1a-4a39-9d5d-1f0c3a9f7e04')
    def test_too_large_is_refused(self) -> None:
        """Nothing moves, and the guest's disks are as they were.

        Last by name: until a host measures itself again, it has no room for
        the guests of other tests either.
        """
        size = CONF.blockmig.too_large_ephemeral_gib
        if not size:
            raise self.skipException(
                '[blockmig] too_large_ephemeral_gib is not set'
            )
        guest = self.boot((size,))
        before = guest.look()
        self.assertFalse(self.migrate(guest, over_commit=False))
        guest.verify(before, CONF.blockmig.timeout)
