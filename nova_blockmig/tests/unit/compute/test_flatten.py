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

import types
from unittest import mock

import fixtures
from nova import exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_blockmig.compute import flatten
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.host import headers
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

DISK = model.Disk(
    name='disk.eph0',
    path='/instances/uuid/disk.eph0',
    target='vdb',
    format='qcow2',
    virtual_bytes=1 << 30,
    allocated_bytes=1 << 20,
    base=model.Base(
        '/_base/ephemeral_1_x',
        model.BaseKind.HOST_GENERATED,
        1 << 20,
        (1, 2),
        True,
    ),
)


class LibvirtError(Exception):
    pass


class FlattenTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.guest = nova_objects.guest()
        self.device = self.guest.get_block_device.return_value
        self.header = headers.ImageHeader('qcow2', 3, 1 << 30, 1 << 21)
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.host.headers.read_header',
                lambda path: self.header,
            )
        )
        self.sleep = self.useFixture(fixtures.MockPatch('time.sleep')).mock
        self.useFixture(
            fixtures.MockPatchObject(
                libvirt_driver,
                'libvirt',
                new=types.SimpleNamespace(libvirtError=LibvirtError),
            )
        )

    def jobs(self, *progress):
        """What libvirt says of the job, poll by poll; None: no job."""
        self.device.get_job_info.side_effect = [
            item and nova_objects.job(item, 100) for item in progress
        ]

    def flatten(self, interrupted=lambda: None):
        self.reported = []
        flatten.flatten(
            mock.sentinel.instance,
            self.guest,
            DISK,
            'why',
            interrupted,
            lambda *job: self.reported.append(job),
        )

    def failed(self, **kwargs):
        exc = self.assertRaises(errors.FlattenFailed, self.flatten, **kwargs)
        return str(exc)

    def test_the_whole_base_is_pulled(self):
        self.jobs(None, 1, 50, None)
        self.flatten()
        self.guest.get_block_device.assert_called_once_with('vdb')
        self.device.rebase.assert_called_once_with(None)
        self.assertEqual(2, self.sleep.call_count)
        self.assertEqual([(1, 100), (50, 100)], self.reported)

    def test_a_job_of_an_earlier_try_is_waited_for(self):
        self.jobs(40, 60, None)
        self.flatten()
        self.device.rebase.assert_not_called()

    def test_an_interruption_ends_the_job(self):
        self.jobs(None, 1, 2)
        answers = iter([None, 'the migration was aborted'])
        message = self.failed(interrupted=lambda: next(answers))
        self.assertIn('aborted', message)
        self.device.abort_job.assert_called_once_with()

    def test_libvirt_refuses(self):
        self.jobs(None)
        self.device.rebase.side_effect = LibvirtError('no such disk')
        message = self.failed()
        self.assertIn('disk.eph0', message)
        self.assertIn('no such disk', message)

    def test_a_job_that_is_gone_has_not_always_succeeded(self):
        self.jobs(None, 50, None)
        self.header = headers.ImageHeader(
            'qcow2', 3, 1 << 30, 1 << 20, '/_base/ephemeral_1_x', 'raw'
        )
        self.assertIn('before it was complete', self.failed())

    def test_a_header_that_qemu_img_has_to_read(self):
        self.jobs(None, 50, None)
        self.header = None
        info = nova_objects.image_info(**{
            'virtual-size': 1 << 30,
            'actual-size': 1 << 21,
            'format-specific': {'data': {'compression-type': 'zstd'}},
        })  # fmt: skip
        self.useFixture(
            fixtures.MockPatch(
                'nova.virt.images.qemu_img_info',
                return_value=info,
                autospec=True,
            )
        )
        self.flatten()

    def test_a_header_that_nobody_can_read(self):
        self.jobs(None, 50, None)
        self.header = None
        self.useFixture(
            fixtures.MockPatch(
                'nova.virt.images.qemu_img_info',
                side_effect=exception.DiskNotFound(location='/gone'),
                autospec=True,
            )
        )
        self.assertIn('/gone', self.failed())


class AbortedTest(base.TestCase):
    def virtapi(self, *waiting):
        manager = nova_objects.manager()
        manager._waiting_live_migrations = dict.fromkeys(waiting)
        return nova_objects.virtapi(manager)

    def test_an_instance_that_nova_still_waits_for(self):
        self.assertFalse(flatten.aborted(self.virtapi('uuid'), 'uuid'))

    def test_an_instance_that_was_taken_out(self):
        self.assertTrue(flatten.aborted(self.virtapi('other'), 'uuid'))

    def test_a_virtapi_without_a_manager(self):
        self.assertFalse(flatten.aborted(object(), 'uuid'))
