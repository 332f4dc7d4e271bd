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

"""What the tests of the source begin with: an instance and its disks."""

import os
from unittest import mock

import fixtures
from nova import exception
import nova.conf
from nova.objects import migrate_data
from nova.virt.libvirt import config
from nova.virt.libvirt import imagecache
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import source
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.host import headers
from nova_blockmig.host import sealing
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
MIB = 1 << 20


class Case(base.DirectoryTestCase):
    """An instance with a root disk, an ephemeral disk and a config drive.

    The overlays are plain files; what their headers say is told apart.
    """

    def setUp(self):
        super().setUp()
        self.started_ns = None
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.host.identity.qemu_started_ns',
                lambda uuid: self.started_ns,
            )
        )
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(instances_path=self.path, host='server2')
        self.instance = nova_objects.instance(uuid=UUID, image_ref=IMAGE)
        self.report = self.useFixture(
            fixtures.MockPatch(
                'nova_blockmig.compute.ending.report_preparation'
            )
        ).mock
        self.headers: dict[str, headers.ImageHeader] = {}
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.host.headers.read_header',
                lambda path: self.headers[path],
            )
        )
        self.devices: list[config.LibvirtConfigGuestDevice] = []
        self.machine = 'pc-i440fx-7.2'
        self.loader = None
        self.infos: list[dict[str, object]] = []
        self.image_base = self.base(imagecache.get_cache_fname(IMAGE), b'i')
        self.eph_base = self.base('ephemeral_1_40d1d2c', b'host made' * 99)
        self.add('disk', 'vda', self.image_base)
        self.add('disk.eph0', 'vdb', self.eph_base)
        self.config = self.add('disk.config', 'sda', read_only=True)
        self.driver = nova_objects.driver()
        self.driver._get_instance_disk_info.side_effect = lambda *args: [
            dict(info) for info in self.infos
        ]
        self.driver._get_instance_disk_info_from_config.side_effect = (
            lambda *args: self.infos
        )
        guest = self.driver._host.get_guest.return_value
        guest.get_config.side_effect = self.guest_config
        self.driver._image_api.get.return_value = {'status': 'active'}
        self.driver._image_api.download.return_value = iter([b'data'])
        self.source = source.Source(self.driver, model.Policy())
        self.keys = sealing.KeyPair()

    def guest_config(self):
        found = config.LibvirtConfigGuest()
        found.devices, found.os_mach_type = self.devices, self.machine
        found.os_loader_type = self.loader
        return found

    def base(self, name, data):
        return self.write(f'_base/{name}', data)

    def add(self, name, target, base=None, read_only=False):
        path = self.write(f'{UUID}/{name}', b'overlay')
        disk_format = 'raw' if read_only else 'qcow2'
        if not read_only:
            self.headers[path] = headers.ImageHeader(
                format='qcow2',
                version=3,
                virtual_bytes=MIB,
                allocated_bytes=4096,
                backing_file=base,
                backing_format='raw',
            )
        self.devices.append(
            nova_objects.disk(
                target,
                path,
                source_device='cdrom' if read_only else 'disk',
                readonly=read_only,
            )
        )
        self.infos.append(
            {
                'path': path,
                'type': disk_format,
                'virt_disk_size': 7 if read_only else MIB,
                'disk_size': 4096,
                'backing_file': base and os.path.basename(base),
            }
        )
        return path

    def data(
        self,
        ours=True,
        images_type='qcow2',
        version=handshake.NEWEST,
        max_inline_bytes=None,
        **told,
    ):
        name = 'tmpabc'
        if ours:
            mark = handshake.PeerInfo(
                version,
                images_type,
                public_key=self.keys.public_key if version > 1 else None,
                max_inline_bytes=max_inline_bytes,
                **told,
            )
            name = handshake.mark_destination(name, mark)
        return migrate_data.LibvirtLiveMigrateData(
            filename=name, image_type=images_type, block_migration=True
        )

    def check(self, data=None):
        return self.checked(data).inspection

    def checked(self, data=None):
        return self.source.check(
            mock.sentinel.ctx,
            self.instance,
            data or self.data(),
            mock.sentinel.bdi,
        )

    def refused(self, data=None):
        exc = self.assertRaises(
            exception.MigrationPreCheckError, self.check, data
        )
        return str(exc)

    def disk_info(self, aborted=lambda: False):
        return self.source.disk_info(self.instance, mock.sentinel.bdi, aborted)

    def travels(self, inspection):
        return {r.disk.name: r.method for r in inspection.disk_plans}
