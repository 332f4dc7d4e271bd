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

"""Nova's image cache manager on real files, with what ours adds."""

import os
import time
from unittest import mock

import fixtures
from nova import objects
from nova.compute import task_states
import nova.conf
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import utils as libvirt_utils
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import bases_in_use
from nova_blockmig.host import headers
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
COMING = '9e6c4b1a-5d0f-4a61-9c38-0f7f1d2c3b4a'
IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
OTHER = 'e2d0c1b3-1c5e-4a7e-b1a0-8f9d3c2b1a00'
HOST = 'server-02'


class Case(base.DirectoryTestCase):
    def setUp(self):
        super().setUp()
        objects.register_all()
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(instances_path=self.path, host=HOST)
        self.useFixture(
            fixtures.MonkeyPatch('nova.privsep.path.utime', os.utime)
        )
        # Nova asks qemu-img for the root disk of each instance it knows.
        self.useFixture(
            fixtures.MockPatchObject(
                libvirt_utils,
                'get_disk_backing_file',
                return_value=None,
                autospec=True,
            )
        )
        self.headers = {}
        self.useFixture(
            fixtures.MockPatchObject(
                headers, 'read_header', side_effect=self.headers.get
            )
        )
        self.migrations, self.instances = [], []
        for owner, name, answer in (
            (objects.BlockDeviceMappingList, 'bdms_by_instance_uuid', {}),
            (objects.MigrationList, 'get_by_filters', self.migrations),
            (objects.InstanceList, 'get_by_filters', self.instances),
        ):
            mocked = mock.patch.object(owner, name, return_value=answer)
            setattr(self, name + owner.__name__, mocked.start())
            self.addCleanup(mocked.stop)
        self.manager = bases_in_use.ImageCacheManager()

    def base(self, name):
        """A base that nobody has touched for three days."""
        path = self.write(f'_base/{name}')
        old = time.time() - 3 * 24 * 3600
        os.utime(path, (old, old))
        return path

    def overlay(self, name, backing):
        path = self.write(name, b'QFI\xfb')
        self.headers[path] = headers.ImageHeader(
            'qcow2', 3, 1 << 30, 4096, backing, 'raw'
        )
        return path

    def update(self, *instances):
        self.manager.update('context', list(instances))

    def left(self):
        return sorted(os.listdir(os.path.join(self.path, '_base')))

    @staticmethod
    def instance(uuid=UUID, host=HOST, task_state=None, image=IMAGE):
        return nova_objects.instance(
            id=1,
            uuid=uuid,
            host=host,
            task_state=task_state,
            image_ref=image,
            os_type=None,
        )


class HostGeneratedTest(Case):
    def test_the_base_of_each_ephemeral_disk_stays(self):
        for size in (1, 2, 3):
            self.base(f'ephemeral_{size}_40d1d2c')
        self.base('swap_512')
        self.base('swap_64')
        for number, name in enumerate(
            ('ephemeral_1_40d1d2c', 'ephemeral_2_40d1d2c')
        ):
            self.overlay(
                f'{UUID}/disk.eph{number}', f'{self.path}/_base/{name}'
            )
        self.overlay(f'{UUID}/disk.swap', f'{self.path}/_base/swap_512')
        self.update(self.instance())
        self.assertEqual(
            ['ephemeral_1_40d1d2c', 'ephemeral_2_40d1d2c', 'swap_512'],
            self.left(),
        )

    def test_a_header_that_is_not_understood(self):
        # A dirty bitmap of a backup, for instance.
        bases = ['ephemeral_1_40d1d2c', 'swap_512']
        for name in bases:
            self.base(name)
        self.write(f'{UUID}/disk.eph0', b'QFI\xfb...')
        self.update(self.instance())
        self.assertEqual(bases, self.left())

    def test_a_disk_that_cannot_be_read(self):
        bases = ['ephemeral_1_40d1d2c', 'swap_512']
        for name in bases:
            self.base(name)
        self.write(f'{UUID}/disk.eph0')
        with mock.patch.object(
            headers, 'read_header', side_effect=PermissionError(13, 'denied')
        ):
            self.update(self.instance())
        self.assertEqual(bases, self.left())

    def test_disks_without_base_keep_none(self):
        self.base('ephemeral_1_40d1d2c')
        self.write(f'{UUID}/disk.config', b'CD001')
        self.overlay(f'{UUID}/disk.eph0', None)
        self.update(self.instance())
        self.assertEqual([], self.left())

    def test_a_disk_that_went_away_meanwhile(self):
        self.base('ephemeral_1_40d1d2c')
        self.write(f'{UUID}/disk.eph0')
        with mock.patch.object(
            headers, 'read_header', side_effect=FileNotFoundError
        ):
            self.update(self.instance())
        self.assertEqual([], self.left())


class IncomingTest(Case):
    def setUp(self):
        super().setUp()
        self.wanted = self.base(imagecache.get_cache_fname(IMAGE))
        self.base(imagecache.get_cache_fname(OTHER))
        self.coming = self.instance(COMING, 'server-01', task_states.MIGRATING)

    def row(self, destination=HOST):
        self.migrations.append(
            nova_objects.migration(
                instance_uuid=COMING, dest_compute=destination
            )
        )

    def test_its_image_stays(self):
        self.row()
        self.instances.append(self.coming)
        self.update()
        self.assertEqual([os.path.basename(self.wanted)], self.left())
        filters = self.get_by_filtersInstanceList.call_args.args[1]
        self.assertEqual([COMING], filters['uuid'])

    def test_nova_alone_removes_it(self):
        self.row()
        self.instances.append(self.coming)
        imagecache.ImageCacheManager().update('context', [])
        self.assertEqual([], self.left())

    def test_one_that_leaves_is_not_coming(self):
        self.row(destination='server-01')
        self.update()
        self.get_by_filtersInstanceList.assert_not_called()
        self.assertEqual([], self.left())

    def test_a_row_whose_migration_is_over(self):
        self.row()
        self.coming.task_state = None
        self.instances.append(self.coming)
        self.update()
        self.assertEqual([], self.left())

    def test_one_that_has_arrived_is_not_asked_for(self):
        self.row()
        self.update(self.instance(COMING))
        self.get_by_filtersInstanceList.assert_not_called()
        self.assertEqual([os.path.basename(self.wanted)], self.left())
