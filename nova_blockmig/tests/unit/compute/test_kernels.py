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

import os
import types
from unittest import mock

import fixtures
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import utils as libvirt_utils

from nova_blockmig.compute import kernels
from nova_blockmig.tests.unit import base


class KernelsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.driver = mock.Mock()
        self.by_name = self.driver.image_backend.by_name

    def fetch(self, kernel='k', ramdisk='r'):
        self.instance = types.SimpleNamespace(
            kernel_id=kernel, ramdisk_id=ramdisk
        )
        kernels.fetch(self.driver, mock.sentinel.ctx, self.instance, self.path)
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
