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

import dataclasses
from unittest import mock

import fixtures
from nova import exception

from nova_blockmig.compute import obstacles
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

DISK = model.Disk(
    name='disk',
    path='/instances/uuid/disk',
    target='vda',
    format='qcow2',
    virtual_bytes=1 << 30,
    allocated_bytes=1 << 20,
)


def named(name):
    return mock.Mock(spec=['getName'], **{'getName.return_value': name})


class ObstaclesTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.guest = nova_objects.guest()
        self.header = self.useFixture(
            fixtures.MockPatch('nova_blockmig.host.headers.read_header')
        ).mock
        self.info = nova_objects.image_info()
        self.qemu_img = self.useFixture(
            fixtures.MockPatch(
                'nova.virt.images.qemu_img_info',
                return_value=self.info,
                autospec=True,
            )
        ).mock

    def check(self, disk=DISK):
        obstacles.assert_none(self.guest, [disk])

    def refused(self, kind=errors.WouldBeLost):
        return str(self.assertRaises(kind, self.check))

    def test_a_disk_like_any_other_starts_no_qemu_img(self):
        self.check()
        self.qemu_img.assert_not_called()

    def test_an_internal_snapshot(self):
        self.header.return_value = None
        self.info.snapshots = [{'id': '1', 'name': 'before-upgrade'}]
        message = self.refused()
        self.assertIn('internal snapshot before-upgrade of disk', message)

    def test_a_header_that_is_unusual_for_another_reason(self):
        self.header.return_value = None
        self.check()

    def test_a_disk_that_is_raw_has_none(self):
        self.header.return_value = None
        self.info.snapshots = [{'id': '1', 'name': 'fake'}]
        self.check(dataclasses.replace(DISK, format='raw'))

    def test_snapshots_and_checkpoints_that_libvirt_knows(self):
        domain = self.guest._domain
        domain.listAllSnapshots.return_value = [named('nightly')]
        domain.listAllCheckpoints.return_value = [named('backup-7')]
        message = self.refused()
        self.assertIn('snapshot nightly', message)
        self.assertIn('checkpoint backup-7', message)

    def test_a_disk_that_cannot_be_read(self):
        self.header.side_effect = FileNotFoundError(2, 'No such file')
        self.assertIn(DISK.path, self.refused(errors.SourceUnreadable))
        self.header.side_effect = None
        self.header.return_value = None
        self.qemu_img.side_effect = exception.InvalidDiskInfo(reason='odd')
        self.assertIn('odd', self.refused(errors.SourceUnreadable))
