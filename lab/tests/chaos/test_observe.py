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

"""What is left of an instance on a host, and what is removed before a cell."""

import pathlib
import tempfile
import types
import unittest
import uuid

from blocklab.chaos import observe

VM = str(uuid.uuid4())
FILES = ('tmpabc', '_base/image', 'locks/lock', f'{VM}/disk', 'ballast')


class LeftTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        for name in FILES:
            file = self.path / name
            file.parent.mkdir(exist_ok=True)
            file.touch()

    def test_of_the_instance_and_of_a_check(self) -> None:
        self.assertEqual(
            {VM, f'{VM}/disk', 'tmpabc'}, set(observe.left(self.path, VM))
        )

    def test_an_earlier_check_is_not_found_again(self) -> None:
        lab = types.SimpleNamespace(
            layout=types.SimpleNamespace(
                computes=[types.SimpleNamespace(name='server2')]
            ),
            instances_path=lambda host: self.path,
        )
        observe.remove_checks(lab)  # type: ignore[arg-type]
        self.assertEqual({VM, f'{VM}/disk'}, set(observe.left(self.path, VM)))
