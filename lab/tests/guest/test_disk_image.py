# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What can be said of the guest image without building it."""

from pathlib import Path
import struct
import tempfile
import unittest
from unittest import mock

from blocklab.guest import disk_image
from blocklab.guest import initramfs
from blocklab.machine.errors import LabError

MODULES_DEP = """\
kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko
kernel/lib/libcrc32c.ko:
kernel/drivers/net/virtio_net.ko: kernel/net/failover.ko kernel/drivers/v.ko
kernel/net/failover.ko: kernel/drivers/v.ko
kernel/drivers/v.ko:
kernel/fs/fuse/fuse.ko:
"""
VERSION = '6.1.0-1-cloud-amd64'


class Closure(unittest.TestCase):
    def test_takes_what_is_needed_and_no_more(self) -> None:
        self.assertEqual(
            {
                'kernel/fs/xfs/xfs.ko': ['kernel/lib/libcrc32c.ko'],
                'kernel/lib/libcrc32c.ko': [],
            },
            initramfs.closure(MODULES_DEP, ['xfs']),
        )

    def test_dependencies_of_dependencies(self) -> None:
        chosen = initramfs.closure(MODULES_DEP, ['virtio_net'])
        self.assertEqual(
            ['kernel/drivers/v.ko'], chosen['kernel/net/failover.ko']
        )

    def test_built_in_module_is_passed_over(self) -> None:
        self.assertEqual({}, initramfs.closure(MODULES_DEP, ['ext4']))


class KernelModules(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.kernel = self.scratch / 'kernel'
        self.kernel.mkdir()

    def _build(self, usr: str) -> list[str]:
        """Build from a package with that layout; what the archive has."""
        modules = self.kernel / usr / 'modules' / VERSION
        for line in MODULES_DEP.splitlines():
            name = line.partition(':')[0]
            (modules / name).parent.mkdir(parents=True, exist_ok=True)
            (modules / name).write_text(name)
        packed: list[str] = []

        def depmod(what: str, command: list[str | Path]) -> None:
            _, _, root, version = command
            for lib in ('lib', 'usr/lib'):
                place = Path(root) / lib / 'modules' / version
                self.assertTrue((place / 'kernel').is_dir())
            (place / 'modules.dep').write_text(MODULES_DEP)

        def pack(tree: Path, initrd: Path) -> None:
            packed.extend(
                str(path.relative_to(tree / 'lib' / 'modules'))
                for path in sorted(tree.rglob('*.ko'))
            )

        busybox = self.scratch / 'busybox'
        busybox.touch()
        with (
            mock.patch.object(initramfs, 'BUSYBOX', busybox),
            mock.patch.object(initramfs, 'run', depmod),
            mock.patch.object(initramfs, '_pack', pack),
        ):
            initramfs.build(self.kernel, self.scratch, self.scratch / 'initrd')
        return packed

    def test_beneath_lib_as_debian_12_has_them(self) -> None:
        self.assertIn(f'{VERSION}/kernel/fs/xfs/xfs.ko', self._build('lib'))

    def test_beneath_usr_lib_as_debian_13_has_them(self) -> None:
        packed = self._build('usr/lib')
        self.assertIn(f'{VERSION}/kernel/fs/xfs/xfs.ko', packed)

    def test_none_or_several_are_refused(self) -> None:
        self.assertRaises(LabError, initramfs.modules_of, self.kernel)
        for version in ('6.1', '6.12'):
            (self.kernel / 'usr/lib/modules' / version).mkdir(parents=True)
        self.assertRaises(LabError, initramfs.modules_of, self.kernel)


class BootRecord(unittest.TestCase):
    def setUp(self) -> None:
        with mock.patch.object(Path, 'read_bytes', return_value=b'\xfa' * 440):
            self.sector = disk_image.boot_record()

    def test_is_one_bootable_sector(self) -> None:
        self.assertEqual(512, len(self.sector))
        self.assertEqual(b'\xfa' * 440, self.sector[:440])
        self.assertEqual(b'\x55\xaa', self.sector[-2:])

    def test_partitions_fill_the_disk(self) -> None:
        entries = [
            struct.unpack_from('<B3xB3xII', self.sector, 446 + 16 * n)
            for n in range(4)
        ]
        self.assertEqual((0x80, 0x0C, 2048, 63 * 2048), entries[0])
        self.assertEqual((0, 0x83, 64 * 2048, 192 * 2048), entries[1])
        self.assertEqual([(0, 0, 0, 0)] * 2, entries[2:])


class Build(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.work = Path(scratch.name)
        package = self.work / 'linux-image-6.1.0-1-cloud-amd64_1_amd64.deb'
        package.write_bytes(b'kernel')
        busybox = self.work / 'busybox'
        busybox.write_bytes(b'busybox')
        patch = mock.patch.object(initramfs, 'BUSYBOX', busybox)
        patch.start()
        self.addCleanup(patch.stop)
        self.package, self.busybox = package, busybox

    def _finished(self) -> str:
        for name in ('guest.qcow2', 'vmlinuz', 'initrd'):
            (self.work / name).touch()
        digest = disk_image._digest(self.package)
        (self.work / 'digest').write_text(digest)
        return digest

    def test_finished_image_is_used_again(self) -> None:
        digest = self._finished()
        with mock.patch.object(disk_image, 'run') as run:
            image = disk_image.build(self.work)
        run.assert_not_called()
        self.assertEqual(digest, image.digest)
        self.assertEqual(self.work / 'guest.qcow2', image.disk)

    def test_changed_input_is_another_image(self) -> None:
        digest = self._finished()
        self.busybox.write_bytes(b'another busybox')
        self.assertNotEqual(digest, disk_image._digest(self.package))

    def test_missing_file_is_built_again(self) -> None:
        self._finished()
        (self.work / 'initrd').unlink()
        with (
            mock.patch.object(
                disk_image, 'run', side_effect=ZeroDivisionError
            ),
            self.assertRaises(ZeroDivisionError),
        ):
            disk_image.build(self.work)
        self.assertFalse((self.work / 'digest').exists())
