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

"""Which base is certain to be the one that QEMU has open."""

import dataclasses

from nova_blockmig.core import identity
from nova_blockmig.tests.unit import base

BASE = identity.FileIdentity(
    device=1, inode=2, size_bytes=3, birth_ns=100, mtime_ns=110, ctime_ns=110
)


def change(**values: int | None) -> identity.FileIdentity:
    return dataclasses.replace(BASE, **values)  # type: ignore[arg-type]


class KeyTest(base.TestCase):
    def test_a_touch_does_not_change_it(self) -> None:
        self.assertEqual(BASE.key, change(mtime_ns=200, ctime_ns=201).key)

    def test_anything_else_does(self) -> None:
        for other in (
            change(device=9),
            change(inode=9),
            change(size_bytes=9),
            change(birth_ns=101),
            change(birth_ns=None),
        ):
            self.assertNotEqual(BASE.key, other.key)

    def test_without_birth_the_times_count(self) -> None:
        unknown = change(birth_ns=None)
        for times in ({'mtime_ns': 200}, {'ctime_ns': 200}):
            touched = dataclasses.replace(unknown, **times)
            self.assertNotEqual(unknown.key, touched.key)


class OlderThanOverlayTest(base.TestCase):
    def test_made_before_its_overlay(self) -> None:
        for birth in (100, 101):
            overlay = change(inode=7, birth_ns=birth)
            self.assertTrue(identity.older_than_overlay(BASE, overlay))

    def test_made_after_its_overlay(self) -> None:
        overlay = change(inode=7, birth_ns=99)
        self.assertFalse(identity.older_than_overlay(BASE, overlay))

    def test_on_another_file_system(self) -> None:
        overlay = change(device=8, birth_ns=101)
        self.assertFalse(identity.older_than_overlay(BASE, overlay))

    def test_unknown_is_not_certain(self) -> None:
        overlay = change(inode=7, birth_ns=101)
        unknown = change(birth_ns=None)
        self.assertFalse(identity.older_than_overlay(unknown, overlay))
        self.assertFalse(identity.older_than_overlay(BASE, unknown))
        self.assertFalse(identity.older_than_overlay(unknown, unknown))


class OlderThanProcessTest(base.TestCase):
    def test_made_before_qemu_was_started(self) -> None:
        self.assertTrue(identity.older_than_process(BASE, 100))
        self.assertFalse(identity.older_than_process(BASE, 99))

    def test_unknown_is_not_certain(self) -> None:
        unknown = change(birth_ns=None)
        self.assertFalse(identity.older_than_process(BASE, None))
        self.assertFalse(identity.older_than_process(unknown, 100))
