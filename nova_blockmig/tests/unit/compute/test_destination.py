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

"""The destination's steps, on real files in a temporary directory."""

import os
import shutil
import types
from unittest import mock

import fixtures
from nova import exception
from nova import objects
import nova.conf
from nova.objects import migrate_data
from nova.objects import migration
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import imagecache
from oslo_config import fixture as config_fixture

from nova_blockmig import driver as blockmig_driver
from nova_blockmig.compute import destination
from nova_blockmig.compute import directory
from nova_blockmig.compute import host_generated
from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.host import digests
from nova_blockmig.host import identity
from nova_blockmig.host import sealing
from nova_blockmig.tests.unit import base

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
IMAGE_BASE = imagecache.get_cache_fname(IMAGE)


class Case(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.conf.config(instances_path=self.path, host='server-01')
        self.instance_dir = os.path.join(self.path, UUID)
        self.instance = types.SimpleNamespace(
            uuid=UUID,
            host='server2',
            config_drive='',
            image_ref=IMAGE,
            image_meta=objects.ImageMeta(),
            flavor=types.SimpleNamespace(root_gb=1, ephemeral_gb=0, swap=0),
        )
        self.driver = mock.Mock()
        connection = self.driver._host.get_connection.return_value
        connection.getVersion.return_value = 10000013
        self.destination = destination.Destination(
            self.driver, model.Policy(max_inline_bytes=1 << 20)
        )

    def data(self, filename='tmpabc', **kwargs):
        values = {
            'block_migration': True,
            'is_shared_instance_path': False,
            'filename': filename,
            'instance_relative_path': UUID,
        }
        return migrate_data.LibvirtLiveMigrateData(**{**values, **kwargs})

    def write(self, name, data=b''):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(data)
        return path


class TestFileTest(Case):
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
            peer.public_key, sealing.Context(UUID, 'disk'), b''
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


class ImageBaseTest(Case):
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
        self.base = f'_base/{IMAGE_BASE}'

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
                mock.Mock(uuid='seventh'),
            )
        self.assertIsNotNone(self.told())


class CheckSourceTest(Case):
    def setUp(self):
        super().setUp()
        self.bdms = []
        self.context = mock.Mock()
        self.migration = types.SimpleNamespace(
            id=7, uuid='seventh', migration_type='live-migration'
        )
        self.useFixture(
            fixtures.MockPatchObject(
                host_generated.objects,
                'BlockDeviceMappingList',
                create=True,
                new=mock.Mock(get_by_instance_uuid=lambda *args: self.bdms),
            )
        )

    def check(self, data):
        self.destination.check_source(
            self.context, self.instance, data, self.migration
        )

    def refused(self, data):
        exc = self.assertRaises(
            exception.MigrationPreCheckError, self.check, data
        )
        return str(exc)

    def local(self, guest_format=None):
        return types.SimpleNamespace(
            source_type='blank',
            destination_type='local',
            guest_format=guest_format,
            device_name='/dev/vdb',
        )

    def test_a_source_like_us_of_any_version(self):
        self.instance.config_drive = 'True'
        for version in (0, 1, 2, 77):
            self.check(self.data(handshake.mark_source('tmpabc', version)))

    def test_a_stock_source_with_nothing_to_lose(self):
        self.check(self.data())

    def test_a_stock_source_with_an_ephemeral_disk_and_swap(self):
        self.instance.flavor.ephemeral_gb = 1
        self.bdms = [self.local(), self.local('swap')]
        message = self.refused(self.data())
        for text in ('server2', 'ephemeral /dev/vdb', 'swap /dev/vdb'):
            self.assertIn(text, message)

    def test_a_stock_source_whose_flavor_asks_but_user_declined(self):
        self.instance.flavor.ephemeral_gb = 1
        self.check(self.data())

    def test_where_ephemeral_disks_are_copied_whole(self):
        self.instance.flavor.ephemeral_gb = 1
        self.bdms = [self.local(), self.local('swap')]
        self.conf.config(images_type='flat', group='libvirt')
        self.check(self.data())
        self.instance.config_drive = 'True'
        self.assertIn('config drive', self.refused(self.data()))

    def test_a_stock_source_with_a_config_drive(self):
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


class LeftoverTest(CheckSourceTest):
    """A directory that a migration of ours left half-made."""

    def setUp(self):
        super().setUp()
        self.driver._host.get_guest.side_effect = exception.InstanceNotFound(
            instance_id=UUID
        )
        self.records = [types.SimpleNamespace(id=3), self.migration]
        self.host = 'server2'
        for name, found in (
            ('MigrationList', {'get_by_filters': lambda *args: self.records}),
            ('Instance', {'get_by_uuid': lambda *args: self}),
        ):
            self.useFixture(
                fixtures.MockPatchObject(
                    directory.objects,
                    name,
                    create=True,
                    new=mock.Mock(**found),
                )
            )

    def cut_off(self, instance=None):
        self.write(f'{UUID}/disk', b'half')
        directory.mark(
            self.instance_dir, instance or self.instance, 'server-02', None
        )

    def assert_kept(self):
        message = self.refused(self.data())
        self.assertIn('already exists', message)
        self.assertTrue(os.path.exists(f'{self.instance_dir}/disk'))

    def test_it_is_removed(self):
        self.cut_off()
        log = self.useFixture(fixtures.FakeLogger())
        self.check(self.data())
        self.assertEqual([], os.listdir(self.path))
        self.assertIn('server-02', log.output)

    def test_the_destination_makes_the_mark_and_the_arrival_removes_it(self):
        os.mkdir(self.instance_dir)
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )
        self.assertEqual([directory.MARK], os.listdir(self.instance_dir))
        self.check(self.data())
        os.mkdir(self.instance_dir)
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )
        self.destination.arrived(self.instance, None, True)
        self.assertEqual([], os.listdir(self.instance_dir))

    def test_without_our_mark(self):
        self.write(f'{UUID}/disk', b'half')
        self.assert_kept()

    def test_a_mark_that_says_nothing(self):
        for text in (
            *(b'', b'[]', b'{}', b'\xff', b'{"instance": 1}'),
            b'[' * 4096,
        ):
            self.write(f'{UUID}/disk', b'half')
            self.write(f'{UUID}/{directory.MARK}', text)
            self.assert_kept()

    def test_a_mark_of_another_instance(self):
        self.cut_off(types.SimpleNamespace(uuid='other'))
        self.assert_kept()

    def test_a_mark_of_another_host(self):
        self.cut_off()
        nova.conf.CONF.set_override('host', 'server-03')
        self.assert_kept()

    def test_a_link_to_another_place(self):
        self.cut_off()
        os.rename(self.instance_dir, f'{self.path}/elsewhere')
        os.symlink(f'{self.path}/elsewhere', self.instance_dir)
        self.assert_kept()

    def test_shared_storage(self):
        self.cut_off()
        self.check(self.data(is_shared_instance_path=True))
        self.assertTrue(os.path.exists(f'{self.instance_dir}/disk'))

    def test_libvirt_has_the_domain(self):
        self.cut_off()
        self.driver._host.get_guest.side_effect = None
        self.assert_kept()

    def test_libvirt_does_not_answer(self):
        self.cut_off()
        self.driver._host.get_guest.side_effect = (
            exception.HypervisorUnavailable()
        )
        self.assert_kept()

    def test_nova_says_that_the_instance_is_here(self):
        self.cut_off()
        self.host = 'server-01'
        self.assert_kept()

    def test_a_newer_migration(self):
        self.cut_off()
        self.records.append(types.SimpleNamespace(id=8))
        self.assert_kept()

    def test_a_migration_of_another_kind(self):
        self.cut_off()
        self.migration.migration_type = 'migration'
        self.assert_kept()

    def test_it_cannot_be_removed(self):
        self.cut_off()
        self.useFixture(
            fixtures.MockPatch('shutil.rmtree', side_effect=OSError(30, 'ro'))
        )
        self.assert_kept()


class LateRollbackTest(Case):
    """Of a migration whose next attempt has begun already."""

    def setUp(self):
        super().setUp()
        self.destination.check_source(
            mock.Mock(),
            self.instance,
            self.data(handshake.mark_source('tmpabc', 2)),
            types.SimpleNamespace(uuid='seventh'),
        )
        os.mkdir(self.instance_dir)
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )

    def rolls_back_another(self, uuid):
        data = self.data()
        data.migration = migration.Migration(uuid=uuid)
        return directory.rolls_back_another(self.instance, data)

    def test_the_one_that_made_the_directory(self):
        self.assertFalse(self.rolls_back_another('seventh'))

    def test_an_earlier_one(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.assertTrue(self.rolls_back_another('sixth'))
        self.assertIn('sixth', log.output)

    def test_it_is_not_known_which(self):
        """nova-compute was restarted since the check."""
        os.unlink(f'{self.instance_dir}/{directory.MARK}')
        self.destination.prepare(
            self.instance, self.instance_dir, [], 'server2'
        )
        self.assertFalse(self.rolls_back_another('sixth'))
        for data in (None, self.data()):
            self.assertFalse(directory.rolls_back_another(self.instance, data))

    def test_nothing_is_there(self):
        shutil.rmtree(self.instance_dir)
        self.assertFalse(self.rolls_back_another('sixth'))

    def test_nova_is_not_asked_to_roll_it_back(self):
        here = blockmig_driver.LibvirtDriver.__new__(
            blockmig_driver.LibvirtDriver
        )
        here._destination = self.destination
        here._check = mock.Mock()
        nova_s = self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver.LibvirtDriver,
                'rollback_live_migration_at_destination',
            )
        ).mock
        for uuid, calls in (('sixth', 0), ('seventh', 1)):
            data = self.data()
            data.migration = migration.Migration(uuid=uuid)
            here.rollback_live_migration_at_destination(
                mock.Mock(), self.instance, [], {}, True, data
            )
            self.assertEqual(calls, nova_s.call_count)
            self.assertEqual(calls, here._check.rolled_back.call_count)


class DirectoryTest(Case):
    def test_what_is_no_disk_info_is_refused_before_nova_reads_it(self):
        for text in (
            *('', '{', 'null', '7', '"disk"', '[' * 100000, '[1]', '[{}]'),
            '[{"path": 1, "type": "raw", "virt_disk_size": 1}]',
            '[{"path": "/i/disk", "type": "vmdk", "virt_disk_size": 1}]',
        ):
            self.assertRaises(
                exception.MigrationError,
                self.destination.expect,
                self.instance,
                self.data(),
                text,
            )
        for text in (
            *('[]', '{}'),
            '[{"path": "/i/disk", "type": "raw", "virt_disk_size": 1}]',
        ):
            self.destination.expect(self.instance, self.data(), text)

    def test_one_that_was_there_is_kept_once(self):
        os.mkdir(self.instance_dir)
        self.destination.expect(self.instance, self.data(), None)
        self.assertTrue(self.destination.must_keep_directory(self.instance))
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_one_that_nova_makes_is_not_kept(self):
        self.destination.expect(self.instance, self.data(), None)
        os.mkdir(self.instance_dir)
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_a_second_try_starts_anew(self):
        os.mkdir(self.instance_dir)
        self.destination.expect(self.instance, self.data(), None)
        os.rmdir(self.instance_dir)
        self.destination.expect(self.instance, self.data(), None)
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_shared_instances_path_is_not_ours(self):
        os.mkdir(self.instance_dir)
        data = self.data(is_shared_instance_path=True)
        self.destination.expect(self.instance, data, None)
        self.assertFalse(self.destination.must_keep_directory(self.instance))

    def test_what_nova_is_told_instead(self):
        data = self.data()
        spared = directory.spared(data)
        self.assertTrue(spared.is_shared_instance_path)
        self.assertFalse(data.is_shared_instance_path)


class PrepareTest(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.instance_dir)

    def info(self, name, note=None, version=2, **kwargs):
        values = {
            'path': f'/var/lib/nova/instances/{UUID}/{name}',
            'type': 'raw',
            'virt_disk_size': 1 << 20,
            'backing_file': '',
            **kwargs,
        }
        if note is not None:
            values[annotation.KEY] = note.to_json(version)
        return values

    def inline(self, name, data=b'x' * 100, size=100, version=2, **kwargs):
        """As the source sends it."""
        packed = content.pack([(0, data)], len(data), limit=1 << 30)
        if version == 1:
            note = annotation.DiskAnnotation(
                model.TransferMethod.INLINE, packed=packed
            )
            return self.info(
                name, note, version, **{'virt_disk_size': size, **kwargs}
            )
        keys = sealing.KeyPair()
        recipient = self.destination._keys.public_key
        note = annotation.DiskAnnotation(
            model.TransferMethod.INLINE,
            sealed=annotation.Sealed(
                recipient,
                keys.public_key,
                keys.seal(
                    recipient, sealing.Context(UUID, name), packed.to_bytes()
                ),
            ),
            virtual_bytes=size,
        )
        return self.info(
            name, note, virt_disk_size=annotation.NEEDS_BLOCKMIG, **kwargs
        )

    def made(self):
        """What is in the directory beside the mark."""
        return [
            name
            for name in os.listdir(self.instance_dir)
            if name != directory.MARK
        ]

    def prepare(self, *infos, source='server2'):
        return self.destination.prepare(
            self.instance, self.instance_dir, list(infos), source
        )

    def refused(self, *infos):
        exc = self.assertRaises(exception.MigrationError, self.prepare, *infos)
        return str(exc)

    def test_hard_reboot_is_nova_s_alone(self):
        info = self.info('disk', backing_file='ephemeral_1_40d1d2c')
        prepared = self.prepare(info, source=None)
        self.assertEqual([info], prepared.disk_info)
        self.assertEqual((None,), prepared.notes)

    def test_no_disk_at_all(self):
        for source in ('server2', None):
            prepared = self.destination.prepare(
                self.instance, self.instance_dir, None, source
            )
            self.assertEqual([], prepared.disk_info)

    def test_inline_content_is_on_the_disk(self):
        for version in (1, 2):
            name = f'disk.eph{version}'
            self.prepare(self.inline(name, version=version))
            path = os.path.join(self.instance_dir, name)
            with open(path, 'rb') as file:
                self.assertEqual(b'x' * 100, file.read())
            self.assertEqual(0o644, os.stat(path).st_mode & 0o777)

    def test_a_disk_larger_than_its_base(self):
        self.prepare(self.inline('disk.eph0', size=1 << 20))
        path = os.path.join(self.instance_dir, 'disk.eph0')
        self.assertEqual(1 << 20, os.path.getsize(path))

    def test_a_disk_smaller_than_its_content(self):
        message = self.refused(self.inline('disk.eph0', size=99))
        self.assertIn('disk.eph0', message)
        self.assertEqual([], self.made())

    def test_an_inline_disk_has_its_size_and_no_base_for_nova(self):
        for version in (1, 2):
            (info,) = self.prepare(
                self.inline(
                    f'disk.eph{version}',
                    version=version,
                    backing_file='ephemeral_1_x',
                )
            ).disk_info
            self.assertEqual('', info['backing_file'])
            self.assertEqual(100, info['virt_disk_size'])

    def test_copied_disk_stands_alone(self):
        (info,) = self.prepare(
            self.info(
                'disk',
                annotation.DiskAnnotation(model.TransferMethod.COPY),
                backing_file='flattened',
            )
        ).disk_info
        self.assertEqual('', info['backing_file'])

    def fetched(self, base):
        note = annotation.DiskAnnotation(
            model.TransferMethod.FETCH, digest='0' * 64
        )
        return self.info('disk', note, backing_file=base)

    def test_fetched_disk_is_left_to_nova(self):
        info = self.fetched(IMAGE_BASE)
        self.assertEqual([info], self.prepare(info).disk_info)

    def test_nothing_is_fetched_into_another_name(self):
        self.assertIn('f00', self.refused(self.fetched('f00')))

    def test_altered_content_leaves_nothing(self):
        for field in ('content', 'sealed'):
            version = 1 if field == 'content' else 2
            info = self.inline('disk.config', version=version)
            data = info[annotation.KEY][field]['data']
            info[annotation.KEY][field]['data'] = 'AAAA' + data[4:]
            message = self.refused(info)
            self.assertIn('disk.config', message)
            self.assertIn('message bus', message)
            self.assertEqual([], self.made())

    def test_content_of_another_disk(self):
        info = self.inline('disk.eph0')
        message = self.refused({**info, 'path': '/x/disk.eph1'})
        self.assertIn('decrypted', message)

    def test_nova_compute_was_restarted_since_the_check(self):
        info = self.inline('disk.config')
        self.destination = destination.Destination(self.driver, model.Policy())
        message = self.refused(info)
        self.assertIn('restarted', message)
        self.assertIn('try again', message)

    def test_nothing_is_made_unless_every_disk_is_accepted(self):
        self.refused(
            self.inline('disk.eph0'),
            self.info('disk.swap', backing_file='swap_512'),
        )
        self.assertEqual([], self.made())

    def test_a_disk_that_is_there_twice(self):
        self.assertIn(
            'twice',
            self.refused(self.info('disk'), self.info('disk')),
        )

    def test_this_host_has_limits_of_its_own(self):
        self.refused(self.inline('disk.eph0', os.urandom((1 << 20) + 1)))
        self.refused(self.inline('disk.eph0', size=(64 << 20) + 1))
        self.instance.flavor.ephemeral_gb = 1
        self.prepare(self.inline('disk.eph0', size=1 << 30))

    def test_disk_that_exists_is_left_alone(self):
        path = self.write(f'{UUID}/disk.config', b'mine')
        message = self.refused(self.inline('disk.config'))
        self.assertIn('cannot create', message)
        with open(path, 'rb') as file:
            self.assertEqual(b'mine', file.read())

    def test_no_space(self):
        full = OSError(28, 'No space left on device')
        self.useFixture(
            fixtures.MockPatch('os.pwrite', mock.Mock(side_effect=full))
        )
        message = self.refused(self.inline('disk.config'))
        self.assertIn('No space left', message)
        self.assertIn('cannot create', message)
        self.assertNotIn('bus', message)
        self.assertEqual([], self.made())

    def test_stock_source_that_slipped_through(self):
        for info in (
            self.info('disk.swap', backing_file='swap_512'),
            self.info('disk.config'),
            self.info('disk', backing_file='5f' * 20),
        ):
            self.assertIn('server2', self.refused(info))

    def test_what_a_stock_source_moves_exactly(self):
        infos = [
            self.info('disk', type='qcow2', backing_file=IMAGE_BASE),
            self.info('disk.eph0', backing_file=None),
        ]
        prepared = self.prepare(*infos)
        self.assertEqual(infos, prepared.disk_info)
        self.assertEqual((None, None), prepared.notes)

    def test_an_iso_image_that_a_stock_source_keeps_raw(self):
        self.prepare(self.info('disk'))
        self.instance.image_meta.disk_format = 'iso'
        self.refused(self.info('disk'))


class VerifyTest(Case):
    def setUp(self):
        super().setUp()
        self.base = self.write('_base/da39a3', b'image' * 1000)
        self.overlay = self.write(f'{UUID}/disk', b'overlay')
        self.info = {
            'path': f'/elsewhere/{UUID}/disk',
            'type': 'qcow2',
            'virt_disk_size': 1 << 20,
            'backing_file': 'da39a3',
        }

    def verify(self, data=b'image' * 1000, method=model.TransferMethod.FETCH):
        digest = content.digest([(0, data)], len(data))
        prepared = destination.Prepared(
            disk_info=[self.info],
            notes=(annotation.DiskAnnotation(method, digest=digest),),
        )
        self.destination.verify(self.instance, self.instance_dir, prepared)

    def test_equal_bases(self):
        self.verify()

    def test_one_that_differs_is_left_as_it_is(self):
        before = identity.of_path(self.base)
        exc = self.assertRaises(
            exception.MigrationError, self.verify, b'wanted'
        )
        self.assertIn(content.digest([(0, b'wanted')], 6), str(exc))
        self.assertIn(digests.file_digest(self.base), str(exc))
        self.assertIn('force_raw_images', str(exc))
        self.assertEqual(before, identity.of_path(self.base))

    def test_one_that_is_touched_is_read_once(self):
        read = self.useFixture(
            fixtures.MockPatchObject(
                digests, 'file_digest', side_effect=digests.file_digest
            )
        ).mock
        for _ in range(3):
            self.verify()
            os.utime(self.base)
        self.assertEqual(1, read.call_count)

    def test_one_that_cannot_be_read(self):
        os.unlink(self.base)
        exc = self.assertRaises(exception.MigrationError, self.verify)
        self.assertIn(self.base, str(exc))
        self.assertIn('No such file', str(exc))

    def test_the_format_of_a_copied_disk_is_noted(self):
        self.verify(method=model.TransferMethod.COPY)
        self.driver.image_backend.by_name.assert_called_once_with(
            self.instance, self.overlay, None
        )

    def test_a_carried_config_drive_is_not_taken_for_qcow2(self):
        self.info = {**self.info, 'path': '/x/disk.config', 'type': 'raw'}
        self.verify(method=model.TransferMethod.INLINE)
        self.driver.image_backend.by_name.assert_called_once_with(
            self.instance, os.path.join(self.instance_dir, 'disk.config'),
            'raw',
        )  # fmt: skip


class ArrivedTest(Case):
    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.execute = self.useFixture(
            fixtures.MockPatch('oslo_concurrency.processutils.execute')
        ).mock
        self.driver._get_instance_disk_info.return_value = [
            {'path': '/instances/x/disk', 'virt_disk_size': 1 << 30},
        ]

    def arrived(self, asked_for=True):
        self.destination.arrived(self.instance, mock.sentinel.bdi, asked_for)

    def test_thin_disks_are_left_alone(self):
        self.arrived()
        self.driver._get_instance_disk_info.assert_not_called()
        self.execute.assert_not_called()

    def test_what_the_copy_gave_back_is_preallocated_again(self):
        self.conf.config(preallocate_images='space')
        self.arrived()
        self.driver._get_instance_disk_info.assert_called_once_with(
            self.instance, mock.sentinel.bdi
        )
        self.execute.assert_called_once_with(
            'fallocate', '-n', '-l', str(1 << 30), '/instances/x/disk'
        )

    def test_nova_does_not_always_say_that_it_was_a_block_migration(self):
        self.conf.config(preallocate_images='space')
        os.mkdir(self.instance_dir)
        directory.mark(self.instance_dir, self.instance, 'server2', None)
        self.arrived(asked_for=None)
        self.execute.assert_called_once()
        self.assertEqual([], os.listdir(self.instance_dir))

    def test_other_live_migrations_are_left_alone(self):
        self.conf.config(preallocate_images='space')
        self.arrived(asked_for=None)
        self.execute.assert_not_called()

    def test_no_error_reaches_a_migration_that_is_done(self):
        self.conf.config(preallocate_images='space')
        for error in (
            exception.InstanceNotFound(instance_id=UUID),
            PermissionError(13, 'Permission denied'),
        ):
            self.driver._get_instance_disk_info.side_effect = error
            self.arrived()
        self.execute.assert_not_called()
