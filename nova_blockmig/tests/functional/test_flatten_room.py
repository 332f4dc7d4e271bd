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

"""The room that a flattening takes, against what qemu-img makes of it."""

import os
import pathlib
import subprocess
import types

import fixtures
import testtools

from nova_blockmig.compute import local_disks
from nova_blockmig.core import model
from nova_blockmig.host import files

MIB = 2**20
SIZE = 64 * MIB
LINE = b'all work and no play makes jack a dull boy ' * 1000


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class RoomToFlattenTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def dense(self, name: str) -> str:
        path = self.path / name
        with open(path, 'wb') as file:
            while file.tell() < SIZE:
                file.write(LINE + os.urandom(64))
            file.truncate(SIZE)
        return str(path)

    def overlay(self, name: str, base: str, base_format: str) -> str:
        path = str(self.path / name)
        run(
            *('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base),
            *('-F', base_format, path, str(SIZE)),
        )
        return path

    def base_of(self, path: str) -> model.Base:
        device = types.SimpleNamespace(
            root_name='disk',
            source_path=path,
            source_type='file',
            source_device='disk',
            readonly=False,
            target_dev='vda',
        )
        info = {
            'path': path,
            'type': 'qcow2',
            'virt_disk_size': SIZE,
            'disk_size': 0,
        }
        (disk,) = local_disks.local_disks(
            types.SimpleNamespace(uuid='none', image_ref=''),
            types.SimpleNamespace(devices=[device]),
            [info],
        )
        assert disk.base is not None
        return disk.base

    def assert_enough(self, path: str) -> None:
        said = self.base_of(path).added_bytes
        before = files.allocated_bytes(path)
        run('qemu-img', 'rebase', '-q', '-f', 'qcow2', '-b', '', path)
        took = files.allocated_bytes(path) - before
        self.assertLessEqual(took, said)

    def test_raw_base(self) -> None:
        self.assert_enough(self.overlay('disk', self.dense('base'), 'raw'))

    def test_raw_base_in_small_pieces(self) -> None:
        base = str(self.path / 'base')
        with open(base, 'wb') as file:
            file.truncate(SIZE)
            for offset in range(0, SIZE, MIB):
                file.seek(offset + 4096)
                file.write(os.urandom(4096))
        path = self.overlay('disk', base, 'raw')
        self.assertLess(self.base_of(path).added_bytes, SIZE // 2)
        self.assert_enough(path)

    def test_compressed_base(self) -> None:
        base = str(self.path / 'base')
        run(
            *('qemu-img', 'convert', '-q', '-c', '-f', 'raw', '-O', 'qcow2'),
            *(self.dense('raw'), base),
        )
        self.assertLess(files.allocated_bytes(base), SIZE // 2)
        self.assert_enough(self.overlay('disk', base, 'qcow2'))

    def test_chain(self) -> None:
        middle = self.overlay('middle', self.dense('base'), 'raw')
        self.assert_enough(self.overlay('disk', middle, 'qcow2'))

    def test_missing_base(self) -> None:
        base = self.dense('base')
        path = self.overlay('disk', base, 'raw')
        os.rename(base, base + '.gone')
        found = self.base_of(path)
        os.rename(base + '.gone', base)
        self.assertFalse(found.certain)
        self.assertGreaterEqual(found.added_bytes, SIZE)
        self.assert_enough(path)
