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

"""Which cells can follow each other with the same guest."""

import unittest

from blocklab.chaos import matrix
from blocklab.chaos import run


class UsesUpTest(unittest.TestCase):
    def uses_up(self, name: str) -> bool:
        (cell,) = matrix.chosen([name], 'blockmig')
        return run.uses_up(cell)

    def test_what_leaves_another_guest(self) -> None:
        for name in (
            'flatten:abort', 'copy:full-source', 'copy:qemu-source',
            'check:glance-down', 'copy:image-deleted',
        ):  # fmt: skip
            self.assertTrue(self.uses_up(name), name)

    def test_what_does_not(self) -> None:
        for name in ('copy:abort', 'copy:qemu-destination', 'check:link-2s'):
            self.assertFalse(self.uses_up(name), name)


class ExtraTest(unittest.TestCase):
    def test_only_a_flattening_needs_settings(self) -> None:
        (flatten, copy) = matrix.chosen(
            ['flatten:abort', 'copy:abort'], 'blockmig'
        )
        hosts = {'server2', 'server-01'}
        for cell, sections in (
            (copy, {'DEFAULT'}),
            (flatten, {'DEFAULT', 'blockmig'}),
        ):
            settings = run.settings_for(cell)
            self.assertEqual(hosts, settings.keys())
            for host in hosts:
                self.assertEqual(sections, settings[host].keys())
