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

"""The agreement of the two hosts, broken in every way, against Nova's code.

What our source sends is given to Nova's own driver, what Nova's own driver
sends to ours, and a failure's notification is read.
"""

import json
import os
import shutil
import subprocess
import types
from typing import Any
from unittest import mock

import fixtures
from nova import context
from nova import exception
from nova import objects
from nova.compute import manager
import nova.conf
import nova.privsep
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import imagebackend
from nova.virt.libvirt import imagecache
from oslo_concurrency import processutils
from oslo_config import fixture as config_fixture
import testtools

from nova_blockmig import driver as blockmig_driver
from nova_blockmig.compute import annotations
from nova_blockmig.compute import destination
from nova_blockmig.compute import directory
from nova_blockmig.compute import inspection
from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import handshake
from nova_blockmig.core import model

KIB = 1024
MIB = 1024 * KIB
UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
SNAPSHOT = '8f1a9be2-5c0e-4f0b-9d70-6f0c0d8a3a11'
CONTENTS = {
    'disk.config': b'{"admin_pass": "S3cret"}'.ljust(64 * KIB, b'\0'),
    'disk.eph0': b'made by mkfs'.ljust(MIB, b'\0'),
    'disk.swap': b'made by mkswap'.ljust(MIB, b'\0'),
}
PACKED = {
    name: content.pack([(0, data)], len(data), limit=MIB)
    for name, data in CONTENTS.items()
}


class Case(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        if shutil.which('qemu-img') is None:
            self.fail('qemu-img is not there: install qemu-utils')
        self.path = self.useFixture(fixtures.TempDir()).path
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(instances_path=self.path, host='server-01')
        nova.privsep.sys_admin_pctxt.set_client_mode(False)
        self.addCleanup(nova.privsep.sys_admin_pctxt.set_client_mode, True)
        objects.register_all()
        self.instance_dir = os.path.join(self.path, UUID)
        for name in (self.instance_dir, self.join('_base')):
            os.mkdir(name)
        self.instance = types.SimpleNamespace(
            uuid=UUID,
            host='server2',
            image_ref=IMAGE,
            image_meta=objects.ImageMeta(),
            flavor=types.SimpleNamespace(root_gb=1, ephemeral_gb=1, swap=1),
            kernel_id='',
            ramdisk_id='',
            os_type=None,
            vm_mode=None,
            trusted_certs=None,
            migration_context=None,
            vm_state='active',
        )

    def join(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def disk(self, name: str) -> model.Disk:
        inline = name == 'disk.config'
        return model.Disk(
            name=name,
            path=f'/srv/{UUID}/{name}',
            target='vdb',
            format='raw' if inline else 'qcow2',
            virtual_bytes=len(CONTENTS[name]),
            allocated_bytes=4096,
            read_only=inline,
        )

    def info(self, name: str, **fields: Any) -> dict[str, Any]:
        """What Nova's driver says of a disk."""
        return {
            'type': 'raw' if name == 'disk.config' else 'qcow2',
            'path': f'/srv/{UUID}/{name}',
            'virt_disk_size': len(CONTENTS.get(name, b'')) or MIB,
            'backing_file': '',
            'disk_size': 4096,
            'over_committed_disk_size': 0,
            **fields,
        }

    def sent(
        self, there: destination.Destination
    ) -> tuple[list[dict[str, Any]], str]:
        """What our source sends to a destination that it has agreed with."""
        filename = there.mark_test_file(self.instance, self.test_file())
        peer = handshake.read_destination(filename)
        assert peer is not None
        found = inspection.Inspection(
            infos=[],
            disk_plans=tuple(
                model.DiskPlan(
                    self.disk(name), model.TransferMethod.INLINE, ''
                )
                for name in CONTENTS
            ),
            packed=PACKED,
            digests={},
            not_copied=(),
        )
        infos = annotations.annotated(
            self.instance, [self.info(n) for n in CONTENTS], found, peer
        )
        text = json.dumps(infos)
        return json.loads(text), text

    def test_file(self) -> str:
        with open(self.join('tmpabc'), 'wb'):
            return 'tmpabc'

    def blockmig(self) -> Any:
        driver = blockmig_driver.LibvirtDriver.__new__(
            blockmig_driver.LibvirtDriver
        )
        driver.image_backend = imagebackend.Backend(True)
        driver._host = mock.Mock()
        connection = driver._host.get_connection.return_value
        connection.getVersion.return_value = 10000013
        driver._destination = destination.Destination(driver, model.Policy())
        return driver

    def create(self, driver: Any, *infos: dict[str, Any]) -> None:
        driver._create_images_and_backing(
            mock.Mock(), self.instance, self.instance_dir, list(infos),
            'server2',
        )  # fmt: skip


class InTreeDestinationTest(Case):
    """A destination that was switched back after the check."""

    def setUp(self) -> None:
        super().setUp()
        self.driver = libvirt_driver.LibvirtDriver.__new__(
            libvirt_driver.LibvirtDriver
        )
        self.driver.image_backend = imagebackend.Backend(True)

    def test_it_makes_no_blank_disk(self) -> None:
        infos, _ = self.sent(self.blockmig()._destination)
        self.assertEqual(3, len(infos))
        for info in infos:
            exc = self.assertRaises(
                processutils.ProcessExecutionError,
                self.create,
                self.driver,
                info,
            )
            self.assertIn(annotation.NEEDS_BLOCKMIG, str(exc))
        self.assertEqual([], os.listdir(self.instance_dir))

    def test_it_would_have_made_one(self) -> None:
        """Without what makes it fail: the fault that this is against."""
        infos, _ = self.sent(self.blockmig()._destination)
        for info in infos:
            size = info[annotation.KEY]['virtual_bytes']
            self.create(self.driver, {**info, 'virt_disk_size': size})
        self.assertEqual(
            sorted(CONTENTS), sorted(os.listdir(self.instance_dir))
        )


class RoundTripTest(Case):
    def test_what_arrives(self) -> None:
        driver = self.blockmig()
        infos, _ = self.sent(driver._destination)
        prepared = driver._destination.prepare(
            self.instance, self.instance_dir, infos, 'server2'
        )
        self.assertEqual(
            [
                {k: v for k, v in info.items() if k != annotation.KEY}
                for info in prepared.disk_info
            ],
            [self.info(name) for name in CONTENTS],
        )
        for info in prepared.disk_info:
            name = os.path.basename(info['path'])
            raw = self.join(f'{name}.raw')
            subprocess.run(
                ['qemu-img', 'convert', '-f', info['type'], '-O', 'raw',
                 os.path.join(self.instance_dir, name), raw],
                check=True,
            )  # fmt: skip
            with open(raw, 'rb') as file:
                self.assertEqual(CONTENTS[name], file.read())


class NotificationTest(Case):
    def test_a_failure_tells_no_content(self) -> None:
        """Nova sends the arguments of what failed, but for *_pass."""
        _, disk = self.sent(self.blockmig()._destination)
        notifier = mock.Mock()
        compute = manager.ComputeManager.__new__(manager.ComputeManager)
        compute.host = 'server-01'
        for name, value in (
            ('nova.rpc.get_notifier', lambda service, host=None: notifier),
            ('nova.rpc.NOTIFIER', mock.Mock(is_enabled=lambda: False)),
            ('nova.compute.utils.EventReporter', mock.MagicMock()),
            ('nova.compute.utils.add_instance_fault_from_exc', mock.Mock()),
        ):
            self.useFixture(fixtures.MonkeyPatch(name, value))
        self.assertRaises(
            AttributeError,  # The manager was not initialized.
            compute.pre_live_migration,
            context.get_admin_context(),
            objects.Instance(uuid=UUID),
            disk,
            mock.Mock(),
        )
        (_, _, payload), _ = notifier.error.call_args
        self.assertEqual(disk, payload['args']['disk'])
        shown = json.loads(payload['args']['disk'])
        self.assertEqual(3, len(shown))
        for info in shown:
            name = os.path.basename(info['path'])
            sealed = annotation.Sealed.from_json(
                info[annotation.KEY]['sealed']
            )
            self.assertNotIn(PACKED[name].data[:16], sealed.data)
            self.assertNotIn(PACKED[name].sha256, disk)


class InTreeSourceTest(Case):
    """A source without annotations, with or without a check before."""

    def setUp(self) -> None:
        super().setUp()
        self.fetched: list[str] = []
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.virt.libvirt.utils.fetch_image', self.fetch
            )
        )

    def fetch(
        self, context: Any, target: str, image_id: str, **kwargs: Any
    ) -> None:
        self.fetched.append(image_id)
        with open(target, 'wb') as file:
            file.truncate(MIB)

    def root(self, image: str) -> dict[str, Any]:
        return self.info(
            'disk', backing_file=imagecache.get_cache_fname(image)
        )

    def test_an_instance_that_was_unshelved(self) -> None:
        """Its disk is based on the snapshot, its image_ref is the original.

        Nova's code would fetch the one into the name of the other.
        """
        exc = self.assertRaises(
            exception.MigrationError,
            self.create,
            self.blockmig(),
            self.root(SNAPSHOT),
        )
        self.assertIn('server2', str(exc))
        self.assertEqual([], self.fetched)
        self.assertEqual([], os.listdir(self.join('_base')))
        # The mark goes with the directory, which Nova removes.
        self.assertEqual([directory.MARK], os.listdir(self.instance_dir))

    def test_an_instance_on_its_image(self) -> None:
        self.create(self.blockmig(), self.root(IMAGE))
        self.assertEqual([IMAGE], self.fetched)
        self.assertEqual(
            [imagecache.get_cache_fname(IMAGE)], os.listdir(self.join('_base'))
        )
        self.assertIn('disk', os.listdir(self.instance_dir))

    def test_a_config_drive(self) -> None:
        exc = self.assertRaises(
            exception.MigrationError,
            self.create,
            self.blockmig(),
            self.info('disk.config'),
        )
        self.assertIn('disk.config', str(exc))
        # The mark goes with the directory, which Nova removes.
        self.assertEqual([directory.MARK], os.listdir(self.instance_dir))
