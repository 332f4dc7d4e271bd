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

"""A directory of images, and the qemu-img that makes and reads them."""

import contextlib
import json
import os
import shutil
import subprocess
from typing import Any

import fixtures


class QemuImg(fixtures.Fixture):
    """A directory of images, and the qemu-img that makes them."""

    def _setUp(self) -> None:  # noqa: N802, the name is fixtures'
        self.path = self.useFixture(fixtures.TempDir()).path
        if shutil.which('qemu-img') is None:
            raise AssertionError('qemu-img is not there: install qemu-utils')

    def run(self, *args: str) -> str:
        return subprocess.run(
            ['qemu-img', *args],
            cwd=self.path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def create(self, name: str, *args: str, size: str = '64M') -> str:
        """The size '' is that of the backing file."""
        sizes = [size] if size else []
        self.run('create', '-q', '-f', 'qcow2', *args, name, *sizes)
        return os.path.join(self.path, name)

    def create_luks(self, name: str) -> str:
        args = (
            *('--object', 'secret,id=s,data=secret'),
            *('-o', 'encrypt.format=luks,encrypt.key-secret=s'),
            *('-o', 'encrypt.iter-time=10'),
        )
        for _ in range(20):
            # QEMU measures the processor first, and now and then gives up:
            # "Unable to get accurate CPU usage".
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.create(name, *args)
        raise AssertionError('qemu-img makes no LUKS image')

    def info(self, path: str) -> dict[str, Any] | None:
        """None if qemu-img refuses the file."""
        done = subprocess.run(
            ['qemu-img', 'info', '-U', '--output=json', path],
            cwd=self.path,
            capture_output=True,
            text=True,
        )
        return None if done.returncode else json.loads(done.stdout)
