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

"""Tests of digests of files."""

import json
import os
import threading
from typing import Any
from unittest import mock

import fixtures

from nova_blockmig.core import content
from nova_blockmig.core import identity
from nova_blockmig.host import digests
from nova_blockmig.host import identity as host_identity
from nova_blockmig.host import sparse
from nova_blockmig.tests.unit import base


class DigestsTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.dir = self.useFixture(fixtures.TempDir())
        self.path = self.make('base', b'one')
        self.cache = digests.DigestCache(limit=3)
        self.reads: list[str] = []
        # Called by the threads of a test, too.
        self.useFixture(
            fixtures.MockPatchObject(digests, 'file_digest', self.read)
        )

    def read(self, path: str, expected: identity.Key | None = None) -> str:
        self.reads.append(path)
        return sparse.read(path, content.digest, True, expected)

    def make(self, name: str, data: bytes) -> str:
        path = self.dir.join(name)
        with open(path, 'wb') as file:
            file.write(data)
        return path

    @staticmethod
    def expected(data: bytes) -> str:
        return content.digest([(0, data)], len(data))


class TestFileDigest(base.TestCase):
    def test_is_the_content_digest(self) -> None:
        path = self.useFixture(fixtures.TempDir()).join('base')
        with open(path, 'wb') as file:
            file.truncate(1024 * 1024)
            file.seek(700_000)
            file.write(b'x')
        self.assertEqual(
            content.digest([(700_000, b'x')], 1024 * 1024),
            digests.file_digest(path),
        )


class TestDigestCache(DigestsTestCase):
    def test_computed_once(self) -> None:
        for _ in range(3):
            self.assertEqual(
                self.expected(b'one'), self.cache.digest(self.path)
            )
        self.assertEqual([self.path], self.reads)

    def test_by_any_name(self) -> None:
        link = self.dir.join('link')
        os.symlink(self.path, link)
        self.cache.digest(self.path)
        self.cache.digest(link)
        self.assertEqual([self.path], self.reads)

    def test_written_to(self) -> None:
        self.cache.digest(self.path)
        with open(self.path, 'ab') as file:
            file.write(b'more')
        self.assertEqual(
            self.expected(b'onemore'), self.cache.digest(self.path)
        )

    def test_touched_as_nova_does(self) -> None:
        self.cache.digest(self.path)
        for time in range(3):
            os.utime(self.path, ns=(time, time))
            self.assertEqual(
                self.expected(b'one'), self.cache.digest(self.path)
            )
        self.assertEqual([self.path], self.reads)

    def test_touched_while_it_is_read(self) -> None:
        def run(func: Any, *args: Any) -> Any:
            with mock.patch.object(os, 'pread', side_effect=self.touch):
                return func(*args)

        self.assertEqual(
            self.expected(b'one'), self.cache.digest(self.path, run)
        )
        self.cache.digest(self.path)
        self.assertEqual([self.path], self.reads)

    def touch(self, handle: int, size: int, offset: int) -> bytes:
        os.utime(self.path)
        os.lseek(handle, offset, os.SEEK_SET)
        return os.read(handle, size)

    def test_without_birth_its_times_count(self) -> None:
        self.useFixture(
            fixtures.MockPatchObject(
                host_identity, '_birth_ns', return_value=None
            )
        )
        before = os.stat(self.path)
        self.cache.digest(self.path)
        with open(self.path, 'r+b') as file:
            file.write(b'two')
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(self.expected(b'two'), self.cache.digest(self.path))

    def test_replaced(self) -> None:
        before = os.stat(self.path)
        self.cache.digest(self.path)
        other = self.make('other', b'two')
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.rename(other, self.path)
        self.assertEqual(self.expected(b'two'), self.cache.digest(self.path))

    def test_missing(self) -> None:
        self.assertRaises(
            FileNotFoundError, self.cache.digest, self.dir.join('gone')
        )

    def test_failure_is_not_kept(self) -> None:
        with mock.patch.object(
            digests, 'file_digest', side_effect=sparse.FileChanged('x')
        ):
            self.assertRaises(sparse.FileChanged, self.cache.digest, self.path)
        self.assertEqual(self.expected(b'one'), self.cache.digest(self.path))

    def test_replaced_before_it_is_read(self) -> None:
        other = self.make('other', b'two')

        def run(func: Any, *args: Any) -> Any:
            if os.path.exists(other):
                os.rename(other, self.path)
            return func(*args)

        self.assertEqual(
            self.expected(b'two'), self.cache.digest(self.path, run)
        )
        self.cache.digest(self.path)
        self.assertEqual(2, len(self.reads))

    def test_known(self) -> None:
        self.assertIsNone(self.cache.known(self.path))
        self.cache.digest(self.path)
        os.utime(self.path)
        self.assertEqual(self.expected(b'one'), self.cache.known(self.path))
        self.assertEqual([self.path], self.reads)

    def test_bounded(self) -> None:
        paths = [self.make(str(n), b'%d' % n) for n in range(5)]
        for path in paths:
            self.cache.digest(path)
        self.reads.clear()
        for path in paths[2:]:
            self.cache.digest(path)
        self.assertEqual([], self.reads)
        self.cache.digest(paths[0])
        self.assertEqual([paths[0]], self.reads)

    def test_runner_reads(self) -> None:
        ran = []

        def run(func: Any, *args: Any) -> Any:
            ran.append(args)
            return func(*args)

        self.cache.digest(self.path, run)
        self.cache.digest(self.path, run)
        self.assertEqual([self.path], [args[0] for args in ran])


class TestStateFile(DigestsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.dir.join('digests.json')
        self.cache.keep_in(self.state)

    def restarted(self) -> digests.DigestCache:
        cache = digests.DigestCache(limit=3)
        cache.keep_in(self.state)
        return cache

    def read_state(self) -> Any:
        with open(self.state) as file:
            return json.load(file)

    def write_state(self, text: str) -> None:
        with open(self.state, 'w') as file:
            file.write(text)

    def test_a_restart_costs_no_reading(self) -> None:
        self.cache.digest(self.path)
        os.utime(self.path)
        self.assertEqual(
            self.expected(b'one'), self.restarted().known(self.path)
        )
        self.assertEqual([self.path], self.reads)

    def test_made_anew_meanwhile(self) -> None:
        self.cache.digest(self.path)
        os.rename(self.make('other', b'two'), self.path)
        self.assertEqual(
            self.expected(b'two'), self.restarted().digest(self.path)
        )

    def test_damaged(self) -> None:
        self.cache.digest(self.path)
        whole = self.read_state()
        (row,) = whole['digests']
        for rows in (
            [row[:-1]],
            [[*row[:-1], 'x' * 64]],
            [[*row[:-1], None]],
            [[str(row[0]), *row[1:]]],
            [7],
            7,
        ):
            self.write_state(json.dumps({**whole, 'digests': rows}))
            self.assertIsNone(self.restarted().known(self.path))
        for text in ('', '{', '[]', '{"version": 1}', '\0', '[' * 100_000):
            self.write_state(text)
            self.assertIsNone(self.restarted().known(self.path))
        # And it is written again.
        self.restarted().digest(self.path)
        self.assertEqual(whole, self.read_state())

    def test_another_version(self) -> None:
        self.cache.digest(self.path)
        self.write_state(json.dumps({**self.read_state(), 'version': 2}))
        self.assertIsNone(self.restarted().known(self.path))

    def test_bounded(self) -> None:
        for n in range(5):
            self.cache.digest(self.make(str(n), b'%d' % n))
        self.assertEqual(3, len(self.read_state()['digests']))
        self.assertEqual(
            self.expected(b'4'), self.restarted().known(self.dir.join('4'))
        )

    def test_of_two_services(self) -> None:
        other = self.restarted()
        self.cache.digest(self.path)
        other.digest(self.make('2', b'2'))
        self.assertEqual(
            self.expected(b'one'), self.restarted().known(self.path)
        )

    def test_a_directory_that_is_not_there(self) -> None:
        self.cache.keep_in(self.dir.join('nowhere/digests.json'))
        self.assertEqual(self.expected(b'one'), self.cache.digest(self.path))

    def test_without_birth_nothing_is_kept(self) -> None:
        self.useFixture(
            fixtures.MockPatchObject(
                host_identity, '_birth_ns', return_value=None
            )
        )
        self.cache.digest(self.path)
        self.assertEqual([], self.read_state()['digests'])

    def test_nothing_is_left_of_a_failed_writing(self) -> None:
        with mock.patch.object(os, 'replace', side_effect=OSError(28, 'full')):
            self.cache.digest(self.path)
        self.assertEqual(['base'], sorted(os.listdir(self.dir.path)))


class TestTogether(DigestsTestCase):
    """Two migrations ask for the same base at once."""

    def setUp(self) -> None:
        super().setUp()
        self.reading = threading.Event()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.results: list[object] = []

    def slowly(self, func: Any, *args: Any) -> Any:
        self.reading.set()
        self.assertTrue(self.go_on.wait(60))
        return func(*args)

    def ask(self) -> None:
        try:
            self.results.append(self.cache.digest(self.path, self.slowly))
        except OSError as exc:
            self.results.append(type(exc))

    def together(self) -> list[object]:
        threads = [threading.Thread(target=self.ask) for _ in range(4)]
        threads[0].start()
        self.assertTrue(self.reading.wait(60))
        for thread in threads[1:]:
            thread.start()
        self.go_on.set()
        for thread in threads:
            thread.join(60)
        return self.results

    def test_read_once(self) -> None:
        self.assertEqual([self.expected(b'one')] * 4, self.together())
        self.assertEqual([self.path], self.reads)

    def test_who_waits_gets_the_error(self) -> None:
        with mock.patch.object(
            digests, 'file_digest', side_effect=sparse.FileChanged(self.path)
        ):
            self.assertEqual([sparse.FileChanged] * 4, self.together())
