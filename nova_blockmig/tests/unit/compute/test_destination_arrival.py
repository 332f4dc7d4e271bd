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

"""The bases that are compared, and the disks of a guest that has arrived."""

import os
from unittest import mock

import fixtures
from nova import exception
import nova.conf
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import destination
from nova_blockmig.compute import directory
from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import model
from nova_blockmig.host import digests
from nova_blockmig.host import identity
from nova_blockmig.tests.unit.compute import destination_case


class VerifyTest(destination_case.Case):
    def setUp(self):
        super().setUp()
        self.base = self.write('_base/da39a3', b'image' * 1000)
        self.overlay = self.write(f'{destination_case.UUID}/disk', b'overlay')
        self.info = {
            'path': f'/elsewhere/{destination_case.UUID}/disk',
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


class ArrivedTest(destination_case.Case):
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
            exception.InstanceNotFound(instance_id=destination_case.UUID),
            PermissionError(13, 'Permission denied'),
        ):
            self.driver._get_instance_disk_info.side_effect = error
            self.arrived()
        self.execute.assert_not_called()
