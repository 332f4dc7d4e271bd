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

"""The backing files that the source finds, and how each disk moves then."""

import dataclasses
import os

import fixtures
from nova import exception

from nova_blockmig.core import blocks
from nova_blockmig.core import model
from nova_blockmig.host import headers
from nova_blockmig.host import identity
from nova_blockmig.tests.unit.compute import source_case

MIB = 2**20


class BasesTest(source_case.Case):
    """Bases that are not what they seem, and the room to flatten them."""

    def test_a_base_that_vanished(self):
        # Nova's image cache keeps the base of the first ephemeral disk only;
        # QEMU has the file open.
        os.unlink(self.eph_base)
        (disk_plan,) = self.check().by(model.TransferMethod.FLATTEN)
        self.assertEqual('disk.eph0', disk_plan.disk.name)
        # There is no telling how much of it there is.
        self.assert_room(MIB, disk_plan)

    def assert_room(self, data_bytes, disk_plan):
        """For that much data, and what qcow2 needs to map it."""
        self.assertEqual(
            blocks.qcow2_bytes(data_bytes, MIB),
            disk_plan.disk.base.added_bytes,
        )

    def test_a_base_that_was_made_anew(self):
        for path in (self.eph_base, self.image_base):
            self.make_anew(path)
        self.assertEqual(
            {
                'disk': model.TransferMethod.FLATTEN,
                'disk.eph0': model.TransferMethod.FLATTEN,
                'disk.config': model.TransferMethod.INLINE,
            },
            self.travels(self.check()),
        )

    def test_a_base_of_a_guest_that_was_started_again(self):
        self.make_anew(self.eph_base)
        born = identity.of_path(self.eph_base).birth_ns
        for started, method in (
            (born, model.TransferMethod.INLINE),
            (born - 1, model.TransferMethod.FLATTEN),
            (None, model.TransferMethod.FLATTEN),
        ):
            self.started_ns = started
            self.assertEqual(method, self.travels(self.check())['disk.eph0'])

    def test_a_file_system_that_does_not_tell_births(self):
        self.useFixture(
            fixtures.MockPatchObject(identity, '_birth_ns', return_value=None)
        )
        self.assertEqual(
            {
                'disk': model.TransferMethod.FLATTEN,
                'disk.eph0': model.TransferMethod.FLATTEN,
                'disk.config': model.TransferMethod.INLINE,
            },
            self.travels(self.check()),
        )

    def make_anew(self, path):
        """As another instance does whose base is missing."""
        with open(path, 'rb') as file:
            data = file.read()
        with open(path + '.part', 'wb') as file:
            file.write(data)
        os.rename(path + '.part', path)

    def test_room_for_what_is_compressed(self):
        self.header(0, backing_format='qcow2')
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB // 2, 4096
        )
        self.driver._image_api.get.side_effect = exception.ImageNotFound(
            image_id=source_case.IMAGE
        )
        (disk_plan,) = self.check().by(model.TransferMethod.FLATTEN)
        self.assert_room(MIB // 2, disk_plan)

    def test_room_for_a_chain(self):
        self.header(0, backing_format='qcow2')
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096, '/elsewhere', 'raw'
        )
        (disk_plan,) = self.check().by(model.TransferMethod.FLATTEN)
        self.assert_room(MIB, disk_plan)

    def test_room_for_a_raw_base_is_what_it_holds(self):
        self.headers[self.infos[0]['path']] = dataclasses.replace(
            self.headers[self.infos[0]['path']], virtual_bytes=1 << 30
        )
        os.truncate(self.image_base, 1 << 29)
        disk = self.check().disk_plans[0].disk
        self.assertLessEqual(disk.base.added_bytes, MIB)
        self.assertGreaterEqual(disk.base.added_bytes, 1)

    def test_a_base_that_is_an_overlay_itself(self):
        overlay = self.infos[0]['path']
        self.headers[overlay] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096, self.image_base, 'qcow2'
        )
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096, '/elsewhere', 'raw'
        )
        self.assertEqual(
            model.TransferMethod.FLATTEN, self.travels(self.check())['disk']
        )

    def header(self, number, **kwargs):
        """Change what the header of a disk says."""
        path = self.infos[number]['path']
        self.headers[path] = dataclasses.replace(self.headers[path], **kwargs)

    def test_a_base_that_was_not_made_by_nova(self):
        self.headers[self.eph_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096
        )
        for change in (
            {'backing_format': None},
            {'backing_format': 'qcow2'},
            {'virtual_bytes': 1},
        ):
            self.header(1, **change)
            self.assertEqual(
                model.TransferMethod.FLATTEN,
                self.travels(self.check())['disk.eph0'],
            )

    def test_an_image_whose_format_the_overlay_does_not_name(self):
        self.header(0, backing_format=None)
        self.assertEqual(
            model.TransferMethod.FLATTEN, self.travels(self.check())['disk']
        )

    def test_an_image_kept_as_qcow2(self):
        self.header(0, backing_format='qcow2')
        self.headers[self.image_base] = headers.ImageHeader(
            'qcow2', 3, MIB, 4096
        )
        self.assertEqual(
            model.TransferMethod.FETCH, self.travels(self.check())['disk']
        )
