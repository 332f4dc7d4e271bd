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

"""Tests of the answers that two hosts give beforehand."""

import json

from nova_blockmig.core import dry_run
from nova_blockmig.core import model
from nova_blockmig.core import verdict
from nova_blockmig.tests.unit import base

MIB, GIB = 2**20, 2**30

DISK = dry_run.Disk(
    name='disk.eph0',
    format='qcow2',
    virtual_bytes=5 * GIB,
    allocated_bytes=3 * MIB,
    added_bytes=MIB,
    backing_file='/var/lib/nova/instances/_base/ephemeral_5_0706d66',
    method='inline',
    reason='made by mkfs on the source',
    inline_bytes=4096,
)
SOURCE = dry_run.Source(
    host='server2',
    version='1.0.0',
    images_type='qcow2',
    flags=('VIR_MIGRATE_LIVE',),
    disks=(DISK,),
    refusal='',
)
RAM = verdict.Row(
    verdict.Resource.RAM,
    4 * GIB,
    verdict.Available(7 * GIB, (('memory x 1', 8 * GIB), ('used', -GIB))),
)
DESTINATION = dry_run.Destination(
    host='server-01',
    version='1.0.0',
    images_type='qcow2',
    over_commit=model.OverCommit.VIRTUAL,
    rows=(RAM,),
    disk=verdict.Available(5 * GIB, (('disk_available_least', 5 * GIB),)),
    flags=(),
    record={'memory_mb': 8192},
)


def sent(plain):
    """As it comes out of the message bus."""
    return json.loads(json.dumps(plain))


class PlainTest(base.TestCase):
    def test_there_and_back(self):
        for said in (SOURCE, DESTINATION):
            self.assertEqual(
                said, type(said).from_plain(sent(said.to_plain()))
            )

    def test_no_check_of_disks_and_an_unknown_amount(self):
        unknown = verdict.Available(None, unknown='no record')
        row = verdict.Row(verdict.Resource.IMAGE_BASE, 1, unknown)
        said = dry_run.Destination(
            **{**vars(DESTINATION), 'disk': None, 'rows': (row,)}
        )
        self.assertEqual(
            said, dry_run.Destination.from_plain(sent(said.to_plain()))
        )

    def test_fields_of_a_newer_version(self):
        plain = sent(SOURCE.to_plain())
        plain['newer'] = plain['disks'][0]['newer'] = 1
        self.assertEqual(SOURCE, dry_run.Source.from_plain(plain))


class OlderAnswersTest(base.TestCase):
    """Of a nova-blockmig that does not say everything."""

    def test_source(self):
        plain = sent(SOURCE.to_plain())
        for name in ('versions', 'machine_type'):
            del plain[name]
        for name in ('counted_bytes', 'data_bytes'):
            del plain['disks'][0][name]
        self.assertEqual(SOURCE, dry_run.Source.from_plain(plain))

    def test_destination(self):
        plain = sent(DESTINATION.to_plain())
        for name in ('versions', 'by_record'):
            del plain[name]
        self.assertEqual(DESTINATION, dry_run.Destination.from_plain(plain))


class TotalBytesTest(base.TestCase):
    """What Nova's API will show."""

    def of(self, **changed):
        disk = dry_run.Disk(**{**vars(DISK), **changed})
        return disk.total_bytes, disk.travel_bytes

    def test_zeroes_are_counted_and_do_not_travel(self):
        self.assertEqual(
            (9 * MIB, 2 * MIB + 4096),
            self.of(counted_bytes=9 * MIB, data_bytes=2 * MIB),
        )

    def test_what_is_not_known_is_what_is_allocated(self):
        self.assertEqual((3 * MIB, 3 * MIB + 4096), self.of())
        self.assertEqual(
            (4 * MIB, 4 * MIB), self.of(method='flatten', inline_bytes=0)
        )

    def test_a_read_only_disk_is_not_copied(self):
        self.assertEqual((0, 4096), self.of(backing_file=None))


class TravelBytesTest(base.TestCase):
    def of(self, **changed):
        return dry_run.Disk(**{**vars(DISK), **changed}).travel_bytes

    def test_the_file_and_what_goes_inline(self):
        self.assertEqual(3 * MIB + 4096, self.of())

    def test_a_base_that_is_fetched_does_not_travel(self):
        self.assertEqual(3 * MIB, self.of(method='fetch', inline_bytes=0))

    def test_a_base_that_is_flattened_does(self):
        self.assertEqual(4 * MIB, self.of(method='flatten', inline_bytes=0))

    def test_libvirt_does_not_copy_a_config_drive(self):
        self.assertEqual(4096, self.of(format='raw', backing_file=None))

    def test_all_disks(self):
        self.assertEqual(3 * MIB + 4096, SOURCE.travel_bytes)


class JudgeTest(base.TestCase):
    def judge(self, **changed):
        there = dry_run.Destination(**{**vars(DESTINATION), **changed})
        return dry_run.judge('bd261aa7', SOURCE, there)

    def test_virtual_sizes(self):
        found = self.judge()
        self.assertTrue(found.fits)
        self.assertEqual(
            [4 * GIB, 5 * GIB], [row.need_bytes for row in found.rows]
        )
        self.assertFalse(self.judge(disk=verdict.Available(5 * GIB - 1)).fits)

    def test_allocated_sizes(self):
        found = self.judge(over_commit=model.OverCommit.ACTUAL)
        self.assertEqual(4 * MIB, found.rows[1].need_bytes)

    def test_disks_that_are_not_checked(self):
        self.assertEqual((RAM,), self.judge(disk=None).rows)
