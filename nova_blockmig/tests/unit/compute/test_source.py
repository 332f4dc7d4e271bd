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

"""The source's steps, on real files in a temporary directory."""

import base64
import dataclasses
import json
import os
import types
from unittest import mock
import zlib

import fixtures
from nova import exception
import nova.conf
from nova.objects import migrate_data
from nova.virt.libvirt import imagecache
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import flatten
from nova_blockmig.compute import source
from nova_blockmig.core import annotation
from nova_blockmig.core import blocks
from nova_blockmig.core import content
from nova_blockmig.core import errors
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.host import digests
from nova_blockmig.host import headers
from nova_blockmig.host import identity
from nova_blockmig.host import sealing
from nova_blockmig.tests.unit import base

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
MIB = 1 << 20


class Case(base.TestCase):
    """An instance with a root disk, an ephemeral disk and a config drive.

    The overlays are plain files; what their headers say is told apart.
    """

    def setUp(self):
        super().setUp()
        self.started_ns = None
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.host.identity.qemu_started_ns',
                lambda uuid: self.started_ns,
            )
        )
        self.path = self.useFixture(fixtures.TempDir()).path
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(instances_path=self.path, host='server2')
        self.instance = types.SimpleNamespace(
            uuid=UUID,
            image_ref=IMAGE,
            vm_state='active',
        )
        self.report = self.useFixture(
            fixtures.MockPatch(
                'nova_blockmig.compute.ending.report_preparation'
            )
        ).mock
        self.headers: dict[str, headers.ImageHeader] = {}
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.host.headers.read_header',
                lambda path: self.headers[path],
            )
        )
        self.devices: list[object] = []
        self.machine = 'pc-i440fx-7.2'
        self.infos: list[dict[str, object]] = []
        self.image_base = self.base(imagecache.get_cache_fname(IMAGE), b'i')
        self.eph_base = self.base('ephemeral_1_40d1d2c', b'host made' * 99)
        self.add('disk', 'vda', self.image_base)
        self.add('disk.eph0', 'vdb', self.eph_base)
        self.config = self.add('disk.config', 'sda', read_only=True)
        self.driver = mock.Mock(_block_migration_flags=128)
        connection = self.driver._host.get_connection.return_value
        connection.getLibVersion.return_value = 9000000
        connection.getVersion.return_value = 7002022
        self.driver._get_instance_disk_info.side_effect = lambda *args: [
            dict(info) for info in self.infos
        ]
        self.driver._get_instance_disk_info_from_config.side_effect = (
            lambda *args: self.infos
        )
        guest = self.driver._host.get_guest.return_value
        guest.get_config.side_effect = lambda: types.SimpleNamespace(
            devices=self.devices, os_mach_type=self.machine
        )
        guest._domain.listAllSnapshots.return_value = []
        guest._domain.listAllCheckpoints.return_value = []
        self.driver._image_api.get.return_value = {'status': 'active'}
        self.driver._image_api.download.return_value = iter([b'data'])
        self.source = source.Source(self.driver, model.Policy())
        self.keys = sealing.KeyPair()

    def write(self, name, data):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(data)
        return path

    def base(self, name, data):
        return self.write(f'_base/{name}', data)

    def add(self, name, target, base=None, read_only=False):
        path = self.write(f'{UUID}/{name}', b'overlay')
        disk_format = 'raw' if read_only else 'qcow2'
        if not read_only:
            self.headers[path] = headers.ImageHeader(
                format='qcow2',
                version=3,
                virtual_bytes=MIB,
                allocated_bytes=4096,
                backing_file=base,
                backing_format='raw',
            )
        self.devices.append(
            types.SimpleNamespace(
                root_name='disk',
                source_path=path,
                source_name=None,
                source_type='file',
                source_device='cdrom' if read_only else 'disk',
                readonly=read_only,
                target_dev=target,
            )
        )
        self.infos.append(
            {
                'path': path,
                'type': disk_format,
                'virt_disk_size': 7 if read_only else MIB,
                'disk_size': 4096,
                'backing_file': base and os.path.basename(base),
            }
        )
        return path

    def data(
        self,
        ours=True,
        images_type='qcow2',
        version=handshake.NEWEST,
        max_inline_bytes=None,
        **told,
    ):
        name = 'tmpabc'
        if ours:
            mark = handshake.PeerInfo(
                version,
                images_type,
                public_key=self.keys.public_key if version > 1 else None,
                max_inline_bytes=max_inline_bytes,
                **told,
            )
            name = handshake.mark_destination(name, mark)
        return migrate_data.LibvirtLiveMigrateData(
            filename=name, image_type=images_type, block_migration=True
        )

    def check(self, data=None):
        return self.checked(data).inspection

    def checked(self, data=None):
        return self.source.check(
            mock.sentinel.ctx,
            self.instance,
            data or self.data(),
            mock.sentinel.bdi,
        )

    def refused(self, data=None):
        exc = self.assertRaises(
            exception.MigrationPreCheckError, self.check, data
        )
        return str(exc)

    def disk_info(self, aborted=lambda: False):
        return self.source.disk_info(self.instance, mock.sentinel.bdi, aborted)

    def travels(self, inspection):
        return {r.disk.name: r.method for r in inspection.disk_plans}


class CheckTest(Case):
    def test_each_disk_has_its_route(self):
        self.assertEqual(
            {
                'disk': model.TransferMethod.FETCH,
                'disk.eph0': model.TransferMethod.INLINE,
                'disk.config': model.TransferMethod.INLINE,
            },
            self.travels(self.check()),
        )

    def test_the_source_answers_with_its_mark(self):
        for version, answer in ((1, 1), (2, 2), (77, handshake.NEWEST)):
            checked = self.checked(self.data(version=version))
            self.assertEqual(answer, handshake.read_source(checked.filename))
            self.assertEqual(plan.Peer.BLOCKMIG, checked.destination)

    def test_a_stock_destination_gets_no_mark(self):
        self.drop('disk.config')
        checked = self.checked(self.data(ours=False))
        self.assertEqual('tmpabc', checked.filename)
        self.assertEqual(plan.Peer.IN_TREE, checked.destination)

    def test_the_check_leaves_the_migrate_data_alone(self):
        data = self.data()
        before = data.obj_to_primitive()
        self.check(data)
        self.assertEqual(before, data.obj_to_primitive())

    def drop(self, name):
        self.devices = [
            d for d in self.devices if os.path.basename(d.source_path) != name
        ]
        self.infos = [
            i for i in self.infos if os.path.basename(i['path']) != name
        ]

    def test_a_stock_destination_gets_flattened_disks(self):
        self.drop('disk.config')
        self.assertEqual(
            {
                'disk': model.TransferMethod.FETCH,
                'disk.eph0': model.TransferMethod.FLATTEN,
            },
            self.travels(self.check(self.data(ours=False))),
        )

    def test_a_stock_destination_gets_no_config_drive(self):
        message = self.refused(self.data(ours=False))
        self.assertIn('disk.config', message)
        self.assertIn('server2', message)

    def test_a_destination_with_nothing_in_common(self):
        self.drop('disk.config')
        data = self.data()
        data.filename = handshake.mark_destination(
            'tmpabc',
            handshake.PeerInfo(99, 'qcow2', 77, self.keys.public_key),
        )
        checked = self.checked(data)
        self.assertEqual(
            {
                'disk': model.TransferMethod.FETCH,
                'disk.eph0': model.TransferMethod.FLATTEN,
            },
            self.travels(checked.inspection),
        )
        self.assertEqual(
            handshake.NOTHING_IN_COMMON,
            handshake.read_source(checked.filename),
        )
        self.assertEqual(plan.Peer.BLOCKMIG, checked.destination)

    def test_another_images_type(self):
        for ours in (True, False):
            message = self.refused(self.data(ours=ours, images_type='raw'))
            self.assertIn('qcow2', message)
            self.assertIn('raw', message)

    def test_an_image_that_left_glance(self):
        for error in (
            exception.ImageNotFound(image_id=IMAGE),
            exception.ImageNotAuthorized(image_id=IMAGE),
            exception.GlanceConnectionFailed(server='x', reason='y'),
            RuntimeError('HTTP 500'),
        ):
            self.driver._image_api.get.side_effect = error
            self.assertEqual(
                model.TransferMethod.FLATTEN,
                self.travels(self.check())['disk'],
            )

    def test_an_image_that_is_not_active(self):
        self.driver._image_api.get.return_value = {'status': 'deactivated'}
        self.assertEqual(
            model.TransferMethod.FLATTEN, self.travels(self.check())['disk']
        )

    def test_an_image_that_the_destination_has(self):
        self.driver._image_api.get.side_effect = exception.ImageNotFound(
            image_id=IMAGE
        )
        digest = digests.file_digest(self.image_base)
        for there, method in (
            (digest, model.TransferMethod.FETCH),
            ('f' * 64, model.TransferMethod.FLATTEN),
            (None, model.TransferMethod.FLATTEN),
        ):
            found = self.check(self.data(base_digest=there))
            self.assertEqual(method, self.travels(found)['disk'], there)

    def test_an_image_that_the_destination_has_asks_no_glance(self):
        self.check(self.data(base_digest='f' * 64))
        self.driver._image_api.get.assert_not_called()

    def test_a_destination_that_speaks_nothing_of_ours(self):
        self.drop('disk.config')
        data = self.data(version=99, oldest=99, base_digest='f' * 64)
        # As with the in-tree driver, which is told of no digest.
        self.assertEqual(
            model.TransferMethod.FETCH, self.travels(self.check(data))['disk']
        )
        self.driver._image_api.get.assert_called()

    def test_boot_from_volume_asks_no_glance(self):
        self.drop('disk')
        self.instance.image_ref = ''
        self.check()
        self.driver._image_api.get.assert_not_called()

    def test_no_local_disk(self):
        self.devices, self.infos = [], []
        self.assertEqual((), self.check().disk_plans)

    def test_a_base_that_vanished(self):
        # Nova's image cache keeps the base of the first ephemeral disk only;
        # QEMU has the file open.
        os.unlink(self.eph_base)
        (disk_plan,) = self.check().by(model.TransferMethod.FLATTEN)
        self.assertEqual('disk.eph0', disk_plan.disk.name)
        # There is no telling how much of it there is.
        self.assert_room(MIB, disk_plan)

    def assert_room(self, data_bytes, disk_plan):
        """For that much data, and what qcow2 needs to map it."""
        self.assertEqual(
            blocks.qcow2_bytes(data_bytes, MIB),
            disk_plan.disk.base.added_bytes,
        )

    def test_a_base_that_was_made_anew(self):
        for path in (self.eph_base, self.image_base):
            self.make_anew(path)
        self.assertEqual(
            {
                'disk': model.TransferMethod.FLATTEN,
                'disk.eph0': model.TransferMethod.FLATTEN,
                'disk.config': model.TransferMethod.INLINE,
            },
            self.travels(self.check()),
        )

    def test_a_base_of_a_guest_that_was_started_again(self):
        self.make_anew(self.eph_base)
        born = identity.of_path(self.eph_base).birth_ns
        for started, method in (
            (born, model.TransferMethod.INLINE),
            (born - 1, model.TransferMethod.FLATTEN),
            (None, model.TransferMethod.FLATTEN),
        ):
            self.started_ns = started
            self.assertEqual(method, self.travels(self.check())['disk.eph0'])

    def test_a_file_system_that_does_not_tell_births(self):
        self.useFixture(
            fixtures.MockPatchObject(identity, '_birth_ns', return_value=None)
        )
        self.assertEqual(
            {
                'disk': model.TransferMethod.FLATTEN,
                'disk.eph0': model.TransferMethod.FLATTEN,
                'disk.config': model.TransferMethod.INLINE,
            },
            self.travels(self.check()),
        )

    def make_anew(self, path):
        """As another instance does whose base is missing."""
        with open(path, 'rb') as file:
            data = file.read()
        with open(path + '.part', 'wb') as file:
            file.write(data)
        os.rename(path + '.part', path)

    def test_room_for_what_is_compressed(self):
        self.header(0, backing_format='qcow2')
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB // 2, 4096
        )
        self.driver._image_api.get.side_effect = exception.ImageNotFound(
            image_id=IMAGE
        )
        (disk_plan,) = self.check().by(model.TransferMethod.FLATTEN)
        self.assert_room(MIB // 2, disk_plan)

    def test_room_for_a_chain(self):
        self.header(0, backing_format='qcow2')
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096, '/elsewhere', 'raw'
        )
        (disk_plan,) = self.check().by(model.TransferMethod.FLATTEN)
        self.assert_room(MIB, disk_plan)

    def test_room_for_a_raw_base_is_what_it_holds(self):
        self.headers[self.infos[0]['path']] = dataclasses.replace(
            self.headers[self.infos[0]['path']], virtual_bytes=1 << 30
        )
        os.truncate(self.image_base, 1 << 29)
        disk = self.check().disk_plans[0].disk
        self.assertLessEqual(disk.base.added_bytes, MIB)
        self.assertGreaterEqual(disk.base.added_bytes, 1)

    def test_a_base_that_is_an_overlay_itself(self):
        overlay = self.infos[0]['path']
        self.headers[overlay] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096, self.image_base, 'qcow2'
        )
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096, '/elsewhere', 'raw'
        )
        self.assertEqual(
            model.TransferMethod.FLATTEN, self.travels(self.check())['disk']
        )

    def header(self, number, **kwargs):
        """Change what the header of a disk says."""
        path = self.infos[number]['path']
        self.headers[path] = dataclasses.replace(self.headers[path], **kwargs)

    def test_a_base_that_was_not_made_by_nova(self):
        self.headers[self.eph_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096
        )
        for change in (
            {'backing_format': None},
            {'backing_format': 'qcow2'},
            {'virtual_bytes': 1},
        ):
            self.header(1, **change)
            self.assertEqual(
                model.TransferMethod.FLATTEN,
                self.travels(self.check())['disk.eph0'],
            )

    def test_an_image_whose_format_the_overlay_does_not_name(self):
        self.header(0, backing_format=None)
        self.assertEqual(
            model.TransferMethod.FLATTEN, self.travels(self.check())['disk']
        )

    def test_an_image_kept_as_qcow2(self):
        self.header(0, backing_format='qcow2')
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096
        )
        self.assertEqual(
            model.TransferMethod.FETCH, self.travels(self.check())['disk']
        )

    def test_what_libvirt_will_not_copy(self):
        self.devices.append(
            types.SimpleNamespace(
                root_name='disk',
                source_path=None,
                source_name='volumes/volume-1',
                target_dev='vdd',
            )
        )
        self.devices.append(types.SimpleNamespace(root_name='interface'))
        self.assertEqual(('sda', 'vdd'), self.check().not_copied)

    def test_a_paused_guest_that_must_stay(self):
        self.useFixture(
            fixtures.MockPatch(
                'nova_blockmig.compute.paused_guests.assert_may_move',
                side_effect=errors.NeverResumed(UUID, ['sda']),
            )
        )
        self.assertIn('unpause', self.refused())

    def test_no_room_to_flatten(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.host.files.free_bytes', lambda path: 1
            )
        )
        self.driver._image_api.get.side_effect = exception.ImageNotFound(
            image_id=IMAGE
        )
        message = self.refused()
        self.assertIn('disk', message)
        self.assertIn(self.path, message)

    def test_it_changes_nothing(self):
        self.check()
        guest = self.driver._host.get_guest.return_value
        guest.get_block_device.assert_not_called()

    def test_a_machine_type_that_the_destination_has_not(self):
        self.machine = 'pc-q35-10.0'
        older = self.data(qemu_version=7002022)
        self.assertIn('pc-q35-10.0', self.refused(older))
        for data in (
            self.data(qemu_version=10000013),
            self.data(),  # one that does not say
        ):
            self.check(data)


class DiskInfoTest(Case):
    def notes(self, infos):
        return {
            os.path.basename(info['path']): annotation.read(info)
            for info in infos
        }

    def opened(self, disk, note):
        """The content of an inline disk, as the destination reads it."""
        self.assertEqual(self.keys.public_key, note.sealed.recipient)
        raw = self.keys.open(
            note.sealed.sender, sealing.Context(UUID, disk), note.sealed.data
        )
        packed = content.Packed.from_bytes(raw)
        return b''.join(data for _, data in content.unpack(packed))

    def test_what_travels(self):
        self.check()
        notes = self.notes(self.disk_info())
        self.assertEqual(
            digests.file_digest(self.image_base), notes['disk'].digest
        )
        self.assertEqual(
            b'host made' * 99, self.opened('disk.eph0', notes['disk.eph0'])
        )
        self.assertEqual(
            b'overlay', self.opened('disk.config', notes['disk.config'])
        )

    def test_nothing_of_the_content_shows(self):
        """Nova's error notifications hold the disk info."""
        self.check()
        first = json.dumps(self.disk_info())
        self.check()
        second = json.dumps(self.disk_info())
        for text in (first, second):
            sha256 = content.digest([(0, b'overlay')], 7)
            self.assertNotIn(sha256, text)
            self.assertNotIn('crc32', text)
        for info, again in zip(
            json.loads(first), json.loads(second), strict=True
        ):
            sealed = info[annotation.KEY].get('sealed')
            if sealed:
                data = base64.b64decode(sealed['data'])
                self.assertNotIn(b'overlay', data)
                self.assertNotIn(zlib.compress(b'overlay')[:4], data)
                self.assertNotEqual(
                    sealed['data'], again[annotation.KEY]['sealed']['data']
                )

    def test_the_in_tree_driver_cannot_make_inline_disks(self):
        self.check()
        infos = {
            os.path.basename(info['path']): info for info in self.disk_info()
        }
        for name, size in (('disk.eph0', MIB), ('disk.config', 7)):
            self.assertEqual(
                annotation.NEEDS_BLOCKMIG, infos[name]['virt_disk_size']
            )
            self.assertEqual('', infos[name]['backing_file'])
            self.assertEqual(
                size, infos[name][annotation.KEY]['virtual_bytes']
            )
        self.assertEqual(MIB, infos['disk']['virt_disk_size'])
        self.assertEqual(
            os.path.basename(self.image_base), infos['disk']['backing_file']
        )

    def test_an_older_destination_reads_what_it_knows(self):
        self.check(self.data(version=1))
        for info in self.disk_info():
            self.assertEqual(1, info[annotation.KEY]['version'])
            self.assertIn(info[annotation.KEY]['travel'], ('fetch', 'carry'))
            self.assertIsInstance(info['virt_disk_size'], int)

    def test_the_destination_limits_inline_content_too(self):
        flattened = self.useFixture(
            fixtures.MockPatch('nova_blockmig.compute.flatten.flatten')
        ).mock
        self.check(self.data(max_inline_bytes=20))
        self.disk_info()
        self.assertEqual('disk.eph0', flattened.call_args.args[2].name)

    def test_a_public_key_that_is_none(self):
        self.keys = mock.Mock(public_key=b'\x09' * 33)
        self.check()
        exc = self.assertRaises(exception.MigrationError, self.disk_info)
        self.assertIn('public key', str(exc))

    def test_a_base_is_packed_once(self):
        read = self.useFixture(
            fixtures.MockPatchObject(content, 'pack', side_effect=content.pack)
        ).mock
        self.check()
        os.utime(self.eph_base)
        self.check()
        notes = self.notes(self.disk_info())
        # The config drive each time, as it may hold secrets.
        self.assertEqual(4, read.call_count)
        self.assertEqual(
            b'host made' * 99, self.opened('disk.eph0', notes['disk.eph0'])
        )

    def test_the_operator_may_leave_bases_unverified(self):
        self.source = source.Source(
            self.driver, model.Policy(verify_base_images=False)
        )
        self.check()
        self.assertIsNone(self.notes(self.disk_info())['disk'].digest)

    def test_without_a_check_the_destination_counts_as_stock(self):
        exc = self.assertRaises(exception.MigrationError, self.disk_info)
        self.assertIn('disk.config', str(exc))

    def test_the_check_holds_for_one_migration(self):
        self.check()
        self.disk_info()
        self.assertRaises(exception.MigrationError, self.disk_info)

    def test_a_failed_check_is_not_remembered(self):
        self.check()
        self.refused(self.data(images_type='raw'))
        self.assertRaises(exception.MigrationError, self.disk_info)

    def test_too_large_is_flattened(self):
        self.source = source.Source(
            self.driver, model.Policy(max_inline_bytes=20)
        )
        flattened = self.useFixture(
            fixtures.MockPatch('nova_blockmig.compute.flatten.flatten')
        ).mock
        self.check()
        notes = self.notes(self.disk_info())
        flattened.assert_called_once()
        self.assertEqual('disk.eph0', flattened.call_args.args[2].name)
        self.assertEqual(model.TransferMethod.COPY, notes['disk.eph0'].method)

    def test_an_abort_is_left_to_nova(self):
        self.check()
        self.assertEqual([], self.disk_info(aborted=lambda: True))
        self.report.assert_not_called()

    def flattening(self):
        """A migration that waits for QEMU, until it is interrupted."""
        # Nova 31 imports it when a host connects.
        self.useFixture(
            fixtures.MockPatchObject(
                flatten.libvirt_driver,
                'libvirt',
                new=types.SimpleNamespace(libvirtError=RuntimeError),
            )
        )
        self.source = source.Source(
            self.driver, model.Policy(max_inline_bytes=20)
        )
        guest = self.driver._host.get_guest.return_value
        self.device = guest.get_block_device.return_value
        self.device.get_job_info.return_value = mock.Mock(cur=1, end=2)
        self.polled = self.useFixture(fixtures.MockPatch('time.sleep')).mock
        self.useFixture(
            fixtures.MockPatch(
                'nova_blockmig.compute.progress.FlattenProgress._save'
            )
        )
        self.check()

    def test_a_flattening_that_is_aborted_is_left_to_nova(self):
        self.flattening()
        answers = iter([False, False, True, True, True])
        self.assertEqual([], self.disk_info(aborted=lambda: next(answers)))
        self.assertEqual(2, self.polled.call_count)
        self.device.abort_job.assert_called_once_with()
        self.report.assert_not_called()

    def test_a_flattening_does_not_hold_the_service(self):
        self.flattening()
        gone = []

        def stop(seconds):
            self.source.stop()
            gone.append('all that is waited for')

        self.polled.side_effect = stop
        exc = self.assertRaises(
            exception.MigrationError,
            self.disk_info,
            aborted=lambda: bool(gone),
        )
        self.assertIn('stopped', str(exc))
        self.device.abort_job.assert_called_once_with()

    def test_why_it_failed_is_in_the_events(self):
        exc = self.assertRaises(exception.MigrationError, self.disk_info)
        self.report.assert_called_once()
        instance, reason = self.report.call_args.args
        self.assertIs(self.instance, instance)
        self.assertIn(reason, str(exc))

    def test_a_stock_destination_gets_stock_disk_info(self):
        self.devices = self.devices[:1]
        self.infos = self.infos[:1]
        self.check(self.data(ours=False))
        self.assertEqual([self.infos[0]], self.disk_info())

    def test_full_copy_needs_no_base(self):
        self.driver._block_migration_flags = 64
        self.check()
        infos = self.disk_info()
        notes = self.notes(infos)
        self.assertEqual(model.TransferMethod.COPY, notes['disk'].method)
        self.assertEqual(model.TransferMethod.COPY, notes['disk.eph0'].method)
        # The in-tree driver would give it a base otherwise.
        self.assertEqual('', infos[0]['backing_file'])
        self.assertEqual(
            model.TransferMethod.INLINE, notes['disk.config'].method
        )
