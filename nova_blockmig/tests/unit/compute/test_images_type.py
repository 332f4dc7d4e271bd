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

import nova.conf
from nova.objects import migrate_data
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import images_type
from nova_blockmig.tests.unit import base


class ImagesTypeTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.conf = self.useFixture(config_fixture.Config(nova.conf.CONF))

    def effective(self, value, use_cow_images=True):
        self.conf.config(group='libvirt', images_type=value)
        self.conf.config(use_cow_images=use_cow_images)
        return images_type.effective()

    def test_default_is_resolved(self):
        self.assertEqual('qcow2', self.effective('default'))
        self.assertEqual('raw', self.effective('default', False))

    def test_flat_is_raw(self):
        self.assertEqual('raw', self.effective('flat', True))
        self.assertEqual('raw', self.effective('raw', True))

    def test_others_are_what_they_are(self):
        for name in ('qcow2', 'lvm', 'rbd', 'ploop'):
            self.assertEqual(name, self.effective(name, False))

    def test_an_in_tree_destination(self):
        data = migrate_data.LibvirtLiveMigrateData()
        self.assertIsNone(images_type.of_in_tree(data))
        data.image_type = 'default'
        self.assertEqual('qcow2', images_type.of_in_tree(data))
        data.image_type = 'flat'
        self.assertEqual('raw', images_type.of_in_tree(data))
