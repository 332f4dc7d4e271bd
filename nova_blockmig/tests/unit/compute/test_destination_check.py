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

"""What the destination says, and asks of the source, in the check."""

import os
import types
from unittest import mock

import fixtures
from nova import exception

from nova_blockmig.compute import destination
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.host import digests
from nova_blockmig.host import sealing
from nova_blockmig.tests.unit.compute import destination_case
from nova_blockmig.tests.unit.compute import nova_objects


class TestFileTest(destination_case.Case):
    def test_the_mark_is_on_the_file_itself(self):
        self.write('tmpabc')
        name = self.destination.mark_test_file(self.instance, 'tmpabc')
        self.assertEqual([name], os.listdir(self.path))
        peer = handshake.read_destination(name)
        self.assertEqual(handshake.NEWEST, peer.common_version)
        self.assertEqual('qcow2', peer.images_type)
        self.assertEqual(1 << 20, peer.max_inline_bytes)
        self.assertEqual(10000013, peer.qemu_version)
        sealing.KeyPair().seal(
            peer.public_key,
            sealing.Context(destination_case.UUID, 'disk'),
            b'',
        )

    def failing_check(self):
        with self.destination.removing_test_file_on_error(self.instance):
            self.write('tmpabc')
            self.destination.mark_test_file(self.instance, 'tmpabc')
            raise exception.MigrationPreCheckError(reason='too late')

    def test_a_check_that_fails_leaves_no_file(self):
        self.assertRaises(exception.MigrationPreCheckError, self.failing_check)
        self.assertEqual([], os.listdir(self.path))

    def test_a_check_that_passes_leaves_it_to_nova(self):
        with self.destination.removing_test_file_on_error(self.instance):
            self.write('tmpabc')
            self.destination.mark_test_file(self.instance, 'tmpabc')
        self.assertEqual(1, len(os.listdir(self.path)))


class ImageBaseTest(destination_case.Case):
    """What the source is told of the image's base here."""

    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MockPatchObject(digests, 'CACHE', digests.DigestCache())
        )
        # At once, instead of beside the check.
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.compute.image_cache.threading.Thread',
                lambda target, args, daemon: types.SimpleNamespace(
                    start=lambda: target(*args)
                ),
            )
        )
        self.base = f'_base/{destination_case.IMAGE_BASE}'

    def told(self):
        self.write('tmpabc')
        name = self.destination.mark_test_file(self.instance, 'tmpabc')
        return handshake.read_destination(name).base_digest

    def test_its_digest_once_it_was_read(self):
        path = self.write(self.base, b'image')
        self.assertIsNone(self.told())
        self.destination.read_ahead(self.instance)
        self.assertEqual(digests.file_digest(path), self.told())

    def test_one_that_is_not_cached(self):
        self.destination.read_ahead(self.instance)
        self.assertIsNone(self.told())

    def test_one_that_cannot_be_read(self):
        os.makedirs(os.path.join(self.path, self.base))
        self.destination.read_ahead(self.instance)
        self.assertIsNone(self.told())

    def test_a_volume_has_none(self):
        self.instance.image_ref = ''
        self.destination.read_ahead(self.instance)
        self.assertIsNone(self.told())

    def test_bases_that_are_not_to_be_compared(self):
        self.write(self.base, b'image')
        self.destination = destination.Destination(
            self.driver, model.Policy(verify_base_images=False)
        )
        self.destination.read_ahead(self.instance)
        self.assertIsNone(self.told())

    def test_it_is_read_when_the_source_says_how_it_moves(self):
        self.write(self.base, b'image')
        for block_migration in (False, True):
            self.assertIsNone(self.told())
            name = handshake.mark_source('tmpabc', handshake.NEWEST)
            self.destination.check_source(
                mock.sentinel.ctx,
                self.instance,
                self.data(name, block_migration=block_migration),
                nova_objects.migration(uuid='seventh'),
            )
        self.assertIsNotNone(self.told())


class CheckSourceTest(destination_case.CheckCase):
    def test_a_source_like_us_of_any_version(self):
        self.instance.config_drive = 'True'
        for version in (0, 1, 2, 77):
            self.check(self.data(handshake.mark_source('tmpabc', version)))

    def test_an_in_tree_source_with_nothing_to_lose(self):
        self.check(self.data())

    def test_an_in_tree_source_with_an_ephemeral_disk_and_swap(self):
        self.instance.flavor.ephemeral_gb = 1
        self.bdms = [self.local(), self.local('swap')]
        message = self.refused(self.data())
        for text in ('server2', 'ephemeral /dev/vdb', 'swap /dev/vdb'):
            self.assertIn(text, message)

    def test_an_in_tree_source_whose_flavor_asks_but_user_declined(self):
        self.instance.flavor.ephemeral_gb = 1
        self.check(self.data())

    def test_where_ephemeral_disks_are_copied_whole(self):
        self.instance.flavor.ephemeral_gb = 1
        self.bdms = [self.local(), self.local('swap')]
        self.conf.config(images_type='flat', group='libvirt')
        self.check(self.data())
        self.instance.config_drive = 'True'
        self.assertIn('config drive', self.refused(self.data()))

    def test_an_in_tree_source_with_a_config_drive(self):
        self.instance.config_drive = 'True'
        self.assertIn('config drive', self.refused(self.data()))

    def test_live_migration_without_block_migration_is_not_ours(self):
        os.mkdir(self.instance_dir)
        self.instance.config_drive = 'True'
        self.check(self.data(block_migration=False))

    def test_a_directory_that_is_there(self):
        os.mkdir(self.instance_dir)
        message = self.refused(self.data())
        self.assertIn(self.instance_dir, message)
        self.assertIn('server-01', message)
        self.assertTrue(os.path.isdir(self.instance_dir))
