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

from unittest import mock

from nova import exception
import nova.conf
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import image_data
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects


class AvailableTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        self.api = nova_objects.image_api()
        self.api.get.return_value = {'status': 'active'}
        self.api.download.return_value = iter([b'first', b'second'])
        self.instance = nova_objects.instance(image_ref='image')

    def available(self):
        return image_data.available(self.api, mock.sentinel.ctx, self.instance)

    def test_an_image_like_any_other(self):
        chunks = self.api.download.return_value
        self.assertTrue(self.available())
        # Only its beginning was read.
        self.assertEqual(b'second', next(chunks))

    def test_an_instance_without_an_image(self):
        self.instance.image_ref = ''
        self.assertTrue(self.available())
        self.api.get.assert_not_called()

    def test_an_image_that_one_does_not_get(self):
        for error in (
            exception.ImageNotFound(image_id='image'),
            exception.ImageNotAuthorized(image_id='image'),
            exception.Forbidden(),
            OSError('no route to host'),
        ):
            self.api.get.side_effect = error
            self.assertFalse(self.available())

    def test_an_image_that_is_deactivated(self):
        self.api.get.return_value = {'status': 'deactivated'}
        self.assertFalse(self.available())
        self.api.download.assert_not_called()

    def test_an_image_whose_data_is_gone(self):
        self.api.download.side_effect = exception.ImageUnacceptable(
            image_id='image', reason='Image has no associated data'
        )
        self.assertFalse(self.available())

    def test_a_store_that_breaks_off(self):
        def broken():
            raise OSError('connection reset')
            yield b''

        self.api.download.return_value = broken()
        self.assertFalse(self.available())

    def test_signatures_would_have_all_of_it_read(self):
        self.conf.config(verify_glance_signatures=True, group='glance')
        self.assertTrue(self.available())
        self.api.download.assert_not_called()
