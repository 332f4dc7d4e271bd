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

"""Tests of comparing two compute hosts."""

import dataclasses
import json

from nova_blockmig.core import host_facts
from nova_blockmig.core import host_findings
from nova_blockmig.tests.unit import base

GIB = 2**30
GOOD, CARE, BAD = host_findings.Level
HERE = host_facts.HostFacts(
    host='server2',
    version='1.2.0',
    nova='34.0.0',
    payloads=(1, 2),
    images_type='qcow2',
    instances_path='/var/lib/nova/instances',
    config_drive_format='iso9660',
    free_bytes=100 * GIB,
    reserved_bytes=GIB,
    now=1000.0,
)
THERE = dataclasses.replace(HERE, host='server-01')


class CompareTest(base.TestCase):
    def compare(self, **changed):
        return host_facts.compare(HERE, dataclasses.replace(THERE, **changed))

    def test_alike(self):
        found = self.compare()
        self.assertIs(GOOD, found.level)
        self.assertIn('100 GiB is free there', found.text)

    def test_each_difference(self):
        for level, words, changed in (
            (BAD, 'images_type', {'images_type': 'raw'}),
            (BAD, 'instances_path', {'instances_path': '/srv'}),
            (BAD, 'Install the newer', {'payloads': (3, 4)}),
            (CARE, 'complete the upgrade', {'version': '1.1.0'}),
            (CARE, 'Nova 33.1.0', {'nova': '33.1.0'}),
            (CARE, 'config_drive_format', {'config_drive_format': 'vfat'}),
            (CARE, 'no instance can be migrated', {'free_bytes': GIB}),
            (BAD, 'Mount it', {'free_bytes': None}),
        ):
            found = self.compare(**changed)
            self.assertIs(level, found.level, words)
            self.assertIn(words, found.text)

    def test_a_point_release_is_no_difference(self):
        self.assertIs(GOOD, self.compare(nova='34.1.0').level)

    def test_all_at_once_and_the_worst(self):
        found = self.compare(images_type='raw', nova='33.0.0')
        self.assertIs(BAD, found.level)
        self.assertIn('images_type', found.text)
        self.assertIn('Nova 33.0.0', found.text)

    def test_over_the_message_bus(self):
        plain = json.loads(json.dumps(HERE.to_plain()))
        plain['newer'] = 1
        self.assertEqual(HERE, host_facts.HostFacts.from_plain(plain))


class ClocksTest(base.TestCase):
    def test_levels(self):
        for level, words, there in (
            (GOOD, '0.0 s behind (within 0.5 s)', 100.5),
            (GOOD, '2.5 s ahead', 103.0),
            (CARE, '3.0 s ahead', 103.5),
            (CARE, '60.0 s behind', 40.5),
        ):
            found = host_facts.clocks('x', 100.0, there, 101.0)
            self.assertIs(level, found.level, found.text)
            self.assertIn(words, found.text)


class PortsTest(base.TestCase):
    def test_levels(self):
        range_ = (49152, 49215)
        for level, words, silent in (
            (GOOD, '49152 to 49215', []),
            (BAD, '2 (first 49200)', [49200, 49201]),
            (BAD, 'None of the ports', list(range(49152, 49216))),
        ):
            found = host_facts.ports('x', range_, silent)
            self.assertIs(level, found.level)
            self.assertIn(words, found.text)
