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

"""Tests of what is remembered of files; see test_digests for the rest."""

import os

import fixtures

from nova_blockmig.core import identity
from nova_blockmig.host import remembered
from nova_blockmig.tests.unit import base


class RememberedTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir())
        self.found: list[str] = []
        self.sizes = remembered.Remembered(self.find, 10, weigh=len)

    def find(self, path: str, key: identity.Key) -> bytes:
        self.found.append(os.path.basename(path))
        with open(path, 'rb') as file:
            return file.read()

    def get(self, name: str, size: int = 4) -> None:
        path = self.directory.join(name)
        if not os.path.exists(path):
            with open(path, 'wb') as file:
                file.write(b'x' * size)
        self.assertEqual(size, len(self.sizes.get(path)))

    def test_what_was_used_last_stays(self) -> None:
        for name in ('a', 'b', 'a', 'c', 'a', 'c'):
            self.get(name)
        self.assertEqual(['a', 'b', 'c'], self.found)
        self.get('b')
        self.assertEqual(['a', 'b', 'c', 'b'], self.found)

    def test_more_than_the_limit_is_not_kept(self) -> None:
        self.get('large', 11)
        self.get('large', 11)
        self.assertEqual(['large', 'large'], self.found)
        self.assertEqual({}, self.sizes.results())
