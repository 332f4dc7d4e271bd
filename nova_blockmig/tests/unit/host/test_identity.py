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

"""Which file it is, asked of the kernel."""

import os
import time
from unittest import mock

import fixtures

from nova_blockmig.host import identity
from nova_blockmig.tests.unit import base

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
BOOTED = 1_700_000_000
NS = 10**9


class IdentityTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir())
        self.path = self.make('base')

    def make(self, name: str) -> str:
        path = self.directory.join(name)
        with open(path, 'w') as file:
            file.write(name)
        return path

    def test_what_stat_says(self) -> None:
        status = os.stat(self.path)
        found = identity.of_path(self.path)
        self.assertEqual(
            (status.st_dev, status.st_ino, 4, status.st_mtime_ns),
            (found.device, found.inode, found.size_bytes, found.mtime_ns),
        )

    def test_birth_survives_a_touch_and_writing(self) -> None:
        before = identity.of_path(self.path)
        if before.birth_ns is None:
            # Said, not skipped: what holds on such a file system.
            self.assertEqual(before.strict_key, before.key)
            return
        self.assertLess(abs(before.birth_ns - time.time_ns()), 3600 * NS)
        os.utime(self.path, ns=(1, 1))
        with open(self.path, 'r+') as file:
            file.write('BASE')
        self.assertEqual(before.key, identity.of_path(self.path).key)

    def test_another_of_the_same_name(self) -> None:
        before = identity.of_path(self.path)
        os.rename(self.make('esab'), self.path)
        self.assertNotEqual(before.key, identity.of_path(self.path).key)

    def test_symbolic_links_are_followed(self) -> None:
        link = self.directory.join('link')
        os.symlink(self.path, link)
        self.assertEqual(identity.of_path(self.path), identity.of_path(link))

    def test_missing(self) -> None:
        self.assertRaises(
            FileNotFoundError, identity.of_path, self.directory.join('gone')
        )

    def test_a_c_library_without_statx(self) -> None:
        with mock.patch('ctypes.CDLL', return_value=object()):
            self.assertIsNone(identity.of_path(self.path).birth_ns)

    def test_a_kernel_that_refuses(self) -> None:
        with mock.patch('ctypes.CDLL') as library:
            library.return_value.statx.return_value = -1
            self.assertIsNone(identity.of_path(self.path).birth_ns)

    def test_a_file_system_that_does_not_say(self) -> None:
        with mock.patch('ctypes.CDLL') as library:
            # The mask that comes back has no bit set.
            library.return_value.statx.return_value = 0
            self.assertIsNone(identity.of_path(self.path).birth_ns)


class QemuStartedTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.proc = self.useFixture(fixtures.TempDir())
        self.write('stat', f'cpu  1 2 3\nbtime {BOOTED}\nprocesses 4\n')
        self.write('self/cmdline', '')
        self.useFixture(fixtures.MockPatch('os.sysconf', return_value=100))

    def write(self, name: str, text: str) -> None:
        path = self.proc.join(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(text)

    def process(self, pid: int, ticks: int, *command: str) -> None:
        # Fields 3 to 21 of proc(5); starttime is the 22nd.
        between = ' '.join(['S', *'1' * 18])
        self.write(f'{pid}/stat', f'{pid} (a ) b) {between} {ticks} 0 0\n')
        self.write(f'{pid}/cmdline', '\0'.join([*command, '']))

    def started(self) -> int | None:
        return identity.qemu_started_ns(UUID, self.proc.path)

    def test_the_guests_process(self) -> None:
        self.process(7, 100, 'nova-compute')
        self.process(8, 12345, 'qemu', '-uuid', UUID, '-drive')
        self.assertEqual(BOOTED * NS + 123_450_000_000, self.started())

    def test_what_only_mentions_the_guest(self) -> None:
        self.process(8, 12345, 'swtpm', f'/var/lib/{UUID}')
        self.process(9, 12345, 'tail', UUID)
        self.assertIsNone(self.started())

    def test_of_two_the_first(self) -> None:
        self.process(8, 500, 'qemu', '-uuid', UUID)
        self.process(9, 400, 'qemu', '-uuid', UUID)
        self.assertEqual((BOOTED + 4) * NS, self.started())

    def test_one_that_cannot_be_seen(self) -> None:
        self.process(8, 500, 'qemu', '-uuid', UUID)
        os.unlink(self.proc.join('8/stat'))
        self.assertIsNone(self.started())

    def test_a_boot_that_is_not_known(self) -> None:
        self.process(8, 500, 'qemu', '-uuid', UUID)
        self.write('stat', '')
        self.assertIsNone(self.started())

    def test_this_process(self) -> None:
        # The kernel's own files have the form that is expected.
        started = identity._started_ns('/proc', str(os.getpid()))
        assert started is not None
        self.assertLess(started, time.time_ns())
        self.assertLess(time.time_ns() - started, 30 * 24 * 3600 * NS)
