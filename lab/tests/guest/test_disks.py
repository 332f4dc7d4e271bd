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

"""What is hashed, and what virsh says of an instance's disks."""

from collections.abc import Callable
import hashlib
from pathlib import Path
import tempfile
from typing import BinaryIO
import unittest

from blocklab.guest import disks
from blocklab.guest import image_digest
from blocklab.guest.disks import Device

DOMAIN = """\
<domain type='qemu' id='1'>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='/var/lib/nova/instances/39a0/disk' index='4'/>
      <backingStore type='file' index='5'>
        <format type='raw'/>
        <source file='/var/lib/nova/instances/_base/8f0c'/>
        <backingStore/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='/var/lib/nova/instances/39a0/disk.eph0' index='3'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='/var/lib/nova/instances/39a0/disk.config' index='2'/>
      <target dev='hda' bus='ide'/>
      <readonly/>
    </disk>
    <disk type='block' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source dev='/dev/sdx' index='1'/>
      <target dev='vdc' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='/var/lib/nova/mnt/0795/volume-5382' index='1'/>
      <target dev='vdd' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='hdb' bus='ide'/>
    </disk>
  </devices>
</domain>
"""


class Devices(unittest.TestCase):
    def test_files_only(self) -> None:
        directory = '/var/lib/nova/instances/39a0/'
        self.assertEqual(
            [
                Device('vda', directory + 'disk', 'qcow2', False),
                Device('vdb', directory + 'disk.eph0', 'raw', False),
                Device('hda', directory + 'disk.config', 'raw', True),
                Device(
                    'vdd', '/var/lib/nova/mnt/0795/volume-5382', 'raw', False
                ),
            ],
            disks.parse_devices(DOMAIN),
        )

    def test_name_is_novas_and_a_volume_is_not_local(self) -> None:
        found = {
            device.name: device.is_local
            for device in disks.parse_devices(DOMAIN)
        }
        local = dict.fromkeys(('disk', 'disk.eph0', 'disk.config'), True)
        self.assertEqual({**local, 'volume-5382': False}, found)


class Pieces(unittest.TestCase):
    MIB = 1024 * 1024

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.file = Path(scratch.name) / 'raw'

    def _hash(self) -> str:
        total = hashlib.sha256()
        for piece in image_digest.pieces(self.file):
            total.update(piece)
        return total.hexdigest()

    def test_holes_read_as_zeroes(self) -> None:
        with self.file.open('wb') as out:
            out.seek(3 * self.MIB + 4096)
            out.write(b'data' * 1024)
            out.seek(5 * self.MIB)
            out.write(b'x' * (self.MIB + 1))
            out.truncate(9 * self.MIB + 512)
        expected = hashlib.sha256(self.file.read_bytes()).hexdigest()
        self.assertEqual(expected, self._hash())

    def test_only_a_hole(self) -> None:
        self.file.touch()
        with self.file.open('r+b') as out:
            out.truncate(2 * self.MIB + 1)
        expected = hashlib.sha256(bytes(2 * self.MIB + 1)).hexdigest()
        self.assertEqual(expected, self._hash())

    def test_no_hole(self) -> None:
        self.file.write_bytes(b'y' * (self.MIB + 17))
        expected = hashlib.sha256(self.file.read_bytes()).hexdigest()
        self.assertEqual(expected, self._hash())

    def test_nothing(self) -> None:
        self.file.touch()
        self.assertEqual(hashlib.sha256(b'').hexdigest(), self._hash())


class ContentsTest(unittest.TestCase):
    """What is all zeroes costs nothing and changes nothing."""

    MIB = 1024 * 1024

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.file = Path(scratch.name) / 'raw'

    def _digest(self, write: Callable[[BinaryIO], None]) -> bytes:
        with self.file.open('wb') as out:
            write(out)
        total = hashlib.sha256()
        for piece in image_digest.contents(self.file):
            total.update(piece)
        return total.digest()

    def _other(self, change: Callable[[BinaryIO], None]) -> bool:
        """Whether a change of the content changes the digest."""

        def content(out: BinaryIO) -> None:
            out.seek(3 * self.MIB + 4096)
            out.write(b'data' * 1024)
            out.truncate(9 * self.MIB + 512)

        def changed(out: BinaryIO) -> None:
            content(out)
            change(out)

        return self._digest(content) != self._digest(changed)

    def test_zeroes_or_a_hole_is_the_same(self) -> None:
        def zeroes(out: BinaryIO) -> None:
            out.seek(5 * self.MIB + 7)
            out.write(bytes(self.MIB))
            out.seek(3 * self.MIB)
            out.write(bytes(4096))

        self.assertFalse(self._other(zeroes))

    def test_the_size_counts(self) -> None:
        def shorter(out: BinaryIO) -> None:
            out.truncate(9 * self.MIB)

        self.assertTrue(self._other(shorter))

    def test_one_byte_counts(self) -> None:
        for place in (0, 3 * self.MIB + 4096, 9 * self.MIB + 511):
            with self.subTest(place):

                def change(out: BinaryIO, place: int = place) -> None:
                    out.seek(place)
                    out.write(b'1')

                self.assertTrue(self._other(change))

    def test_the_place_counts(self) -> None:
        def content(place: int) -> Callable[[BinaryIO], None]:
            def write(out: BinaryIO) -> None:
                out.seek(place)
                out.write(b'1')
                out.truncate(8 * self.MIB)

            return write

        self.assertNotEqual(
            self._digest(content(0)), self._digest(content(4 * self.MIB))
        )
