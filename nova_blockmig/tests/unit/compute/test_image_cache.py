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


"""Tests of what the image cache holds, needs and fetches."""

import os
from unittest import mock

import fixtures
from keystoneauth1 import exceptions as keystone
from nova import exception
import nova.conf
from nova.image import glance
from nova.virt.libvirt import imagebackend
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import utils as libvirt_utils
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import image_cache
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
MIB, GIB = 2**20, 2**30
SIZE = 217 * MIB


class ToFetchTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.path = self.useFixture(fixtures.TempDir()).path
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.conf.config(instances_path=self.path, force_raw_images=True)
        self.conf.config(group='libvirt', images_type='qcow2')
        self.instance = nova_objects.instance(
            image_ref=IMAGE, flavor=nova_objects.flavor(root_gb=10)
        )
        self.image = {'size': SIZE, 'disk_format': 'qcow2'}
        self.api = nova_objects.image_api()
        self.api.get.side_effect = lambda *_: self.image
        patcher = mock.patch.object(glance, 'GlanceClientWrapper')
        self.call = patcher.start().return_value.call
        self.addCleanup(patcher.stop)
        self.call.return_value = {'virtual_size': 2 * GIB}

    def to_fetch(self):
        return image_cache.to_fetch('context', self.instance, self.api)

    def sizes(self):
        base = self.to_fetch()
        self.assertEqual('', base.unknown)
        return base.kept_bytes, base.peak_bytes

    def test_conversion_to_raw_needs_both_for_a_while(self):
        self.assertEqual((2 * GIB, 2 * GIB + SIZE), self.sizes())
        self.call.assert_called_once_with('context', 2, 'get', args=(IMAGE,))

    def test_virtual_size_unknown_is_bounded_by_the_flavor(self):
        self.call.return_value = {'virtual_size': None}
        self.assertEqual((10 * GIB, 10 * GIB + SIZE), self.sizes())

    def test_glance_that_fails_is_bounded_by_the_flavor(self):
        for error in (
            exception.GlanceConnectionFailed(server='g', reason='down'),
            glance.glanceclient.exc.HTTPForbidden(),
            keystone.ConnectFailure('x'),
        ):
            self.call.side_effect = error
            self.assertEqual((10 * GIB, 10 * GIB + SIZE), self.sizes())

    def test_no_root_size_leaves_the_image_size(self):
        self.call.return_value = {}
        self.instance.flavor.root_gb = 0
        self.assertEqual((SIZE, 2 * SIZE), self.sizes())

    def test_raw_stays_as_it_is(self):
        for name in ('raw', 'iso', 'ami'):
            self.image['disk_format'] = name
            self.assertEqual((SIZE, SIZE), self.sizes())
        self.call.assert_not_called()

    def test_no_conversion_without_force_raw_images(self):
        self.conf.config(force_raw_images=False)
        self.assertEqual((SIZE, SIZE), self.sizes())
        self.call.assert_not_called()

    def test_cached(self):
        os.mkdir(os.path.join(self.path, '_base'))
        name = imagecache.get_cache_fname(IMAGE)
        with open(os.path.join(self.path, '_base', name), 'w'):
            pass
        self.assertIsNone(self.to_fetch())
        self.api.get.assert_not_called()

    def test_volume_backed(self):
        self.instance.image_ref = ''
        self.assertIsNone(self.to_fetch())

    def test_disks_without_a_base(self):
        for name in ('raw', 'flat', 'lvm', 'rbd'):
            self.conf.config(group='libvirt', images_type=name)
            self.assertIsNone(self.to_fetch())
        self.api.get.assert_not_called()

    def test_an_image_that_is_gone_is_not_fetched(self):
        for error in (
            exception.ImageNotFound(image_id=IMAGE),
            exception.ImageNotAuthorized(image_id=IMAGE),
            exception.Forbidden(),
        ):
            self.api.get.side_effect = error
            self.assertIsNone(self.to_fetch())

    def test_glance_down_is_an_unknown_size(self):
        self.api.get.side_effect = exception.GlanceConnectionFailed(
            server='glance.example.org', reason='timed out'
        )
        base = self.to_fetch()
        self.assertIn(IMAGE, base.unknown)
        self.assertIn('timed out', base.unknown)

    def test_whatever_glance_answers_is_an_unknown_size(self):
        for error in (
            glance.glanceclient.exc.HTTPInternalServerError('x'),
            glance.glanceclient.exc.HTTPBadGateway('x'),
            keystone.ConnectFailure('x'),
            keystone.Unauthorized('x'),
        ):
            self.api.get.side_effect = error
            self.assertIn(type(error).__name__, self.to_fetch().unknown)


class KernelsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.driver = nova_objects.driver()
        self.by_name = self.driver.image_backend.by_name
        self.by_name.return_value = mock.create_autospec(
            imagebackend.Flat, instance=True
        )

    def fetch(self, kernel='k', ramdisk='r'):
        self.instance = nova_objects.instance(
            kernel_id=kernel, ramdisk_id=ramdisk
        )
        image_cache.fetch_kernels(
            self.driver, mock.sentinel.ctx, self.instance, self.path
        )
        return [call.args[1] for call in self.by_name.call_args_list]

    def test_as_spawn_fetches_them(self):
        self.assertEqual(['kernel', 'ramdisk'], self.fetch())
        self.by_name.return_value.cache.assert_any_call(
            fetch_func=libvirt_utils.fetch_raw_image,
            context=mock.sentinel.ctx,
            filename=imagecache.get_cache_fname('k'),
            image_id='k',
        )

    def test_disk_images_have_none(self):
        self.assertEqual([], self.fetch(kernel='', ramdisk=''))

    def test_no_ramdisk_without_a_kernel(self):
        self.assertEqual([], self.fetch(kernel=None))

    def test_what_is_there_is_kept(self):
        with open(os.path.join(self.path, 'kernel'), 'wb'):
            pass
        self.assertEqual(['ramdisk'], self.fetch())
