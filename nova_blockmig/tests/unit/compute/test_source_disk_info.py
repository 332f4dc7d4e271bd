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

"""What the source sends to the destination, and the flattening before it."""

import base64
import json
import os
import types
from unittest import mock
import zlib

import fixtures
from nova import exception

from nova_blockmig.compute import flatten
from nova_blockmig.compute import source
from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import model
from nova_blockmig.host import digests
from nova_blockmig.host import sealing
from nova_blockmig.tests.unit.compute import nova_objects
from nova_blockmig.tests.unit.compute import source_case

MIB = 2**20


class DiskInfoTest(source_case.Case):
    def notes(self, infos):
        return {
            os.path.basename(info['path']): annotation.read(info)
            for info in infos
        }

    def opened(self, disk, note):
        """The content of an inline disk, as the destination reads it."""
        self.assertEqual(self.keys.public_key, note.sealed.recipient)
        raw = self.keys.open(
            note.sealed.sender,
            sealing.Context(source_case.UUID, disk),
            note.sealed.data,
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
        self.keys = mock.Mock(spec=sealing.KeyPair, public_key=b'\x09' * 33)
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

    def test_without_a_check_the_destination_counts_as_in_tree(self):
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
        self.device.get_job_info.return_value = nova_objects.job(1, 2)
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

    def test_an_in_tree_destination_gets_in_tree_disk_info(self):
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
