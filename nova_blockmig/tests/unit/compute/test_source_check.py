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

"""The source's half of the check."""

import os

import fixtures
from nova import exception
from nova.virt.libvirt import config

from nova_blockmig.core import errors
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.host import digests
from nova_blockmig.tests.unit.compute import nova_objects
from nova_blockmig.tests.unit.compute import source_case


class CheckTest(source_case.Case):
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

    def test_an_in_tree_destination_gets_no_mark(self):
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

    def test_an_in_tree_destination_gets_flattened_disks(self):
        self.drop('disk.config')
        self.assertEqual(
            {
                'disk': model.TransferMethod.FETCH,
                'disk.eph0': model.TransferMethod.FLATTEN,
            },
            self.travels(self.check(self.data(ours=False))),
        )

    def test_an_in_tree_destination_gets_no_config_drive(self):
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
            exception.ImageNotFound(image_id=source_case.IMAGE),
            exception.ImageNotAuthorized(image_id=source_case.IMAGE),
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
            image_id=source_case.IMAGE
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

    def test_what_libvirt_will_not_copy(self):
        self.devices.append(
            nova_objects.disk('vdd', None, source_name='volumes/volume-1')
        )
        self.devices.append(config.LibvirtConfigGuestInterface())
        self.assertEqual(('sda', 'vdd'), self.check().not_copied)

    def test_libvirt_will_not_copy_the_firmware_either(self):
        self.loader = 'pflash'
        self.assertEqual(('sda', 'UEFI firmware'), self.check().not_copied)

    def test_a_paused_guest_that_must_stay(self):
        self.useFixture(
            fixtures.MockPatch(
                'nova_blockmig.compute.paused_guests.assert_may_move',
                side_effect=errors.NeverResumed(source_case.UUID, ['sda']),
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
            image_id=source_case.IMAGE
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
