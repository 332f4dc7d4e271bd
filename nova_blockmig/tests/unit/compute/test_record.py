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

import types

import fixtures
import nova.conf
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import record
from nova_blockmig.core import migration_record
from nova_blockmig.core import model
from nova_blockmig.core import progress
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects


def plan(name, target, method):
    disk = model.Disk(name, f'/i/{name}', target, 'qcow2', 10, 5)
    return model.DiskPlan(disk, method, 'why')


class RecordedTest(base.TestCase):
    def setUp(self):
        super().setUp()
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(host='server2')
        self.log = self.useFixture(fixtures.FakeLogger())
        self.migration = nova_objects.migration(
            status='running', uuid='record'
        )
        copied = types.SimpleNamespace(
            progress=progress.Progress(5, 7), seconds=lambda: 1.5
        )
        self.guest = types.SimpleNamespace(disks={'vda': copied})
        self.transfer = record.Transfer((
            plan('disk', 'vda', model.TransferMethod.FETCH),
            plan('disk.config', 'sda', model.TransferMethod.INLINE),
        ))  # fmt: skip
        self.copy = record.Copy()

    def recorded(self):
        return record.recorded(
            nova_objects.instance(),
            'server-01',
            self.guest,
            self.migration,
            self.transfer,
            self.copy,
        )

    def line(self):
        (line,) = (
            found
            for found in self.log.output.splitlines()
            if migration_record.PREFIX in found
        )
        return migration_record.read(line)

    def test_completed(self):
        with self.recorded():
            self.migration.status = 'completed'
            self.copy.reason = 'libvirt was not sure'
        found = self.line()
        self.assertEqual(
            (
                'record',
                nova_objects.UUID,
                'server2',
                'server-01',
                'completed',
                '',
            ),
            (
                found.migration,
                found.instance,
                found.source,
                found.destination,
                found.result,
                found.reason,
            ),
        )
        self.assertEqual(
            (
                migration_record.DiskRecord('disk', 'fetch', 7, 1.5),
                migration_record.DiskRecord('disk.config', 'inline'),
            ),
            found.disks,
        )

    def test_a_copy_that_nobody_saw(self):
        """It was over between two looks: how much it was is not known."""
        # libvirt gives a length of 1 to a job of which QEMU says nothing.
        for seen in (progress.Progress(), progress.Progress(0, 1)):
            self.guest.disks['vda'].progress = seen
            self.log = self.useFixture(fixtures.FakeLogger())
            with self.recorded():
                self.migration.status = 'completed'
            self.assertEqual(
                migration_record.DiskRecord('disk', 'fetch'),
                self.line().disks[0],
            )

    def test_cancelled(self):
        with self.recorded():
            self.migration.status = 'cancelled'
        self.assertEqual('cancelled', self.line().result)

    def test_failed(self):
        with self.recorded():
            self.migration.status = 'failed'
            self.copy.reason = 'Unable to read from monitor'
        found = self.line()
        self.assertEqual(
            ('failed', 'Unable to read from monitor'),
            (found.result, found.reason),
        )

    def test_the_line_is_never_in_the_way(self):
        self.guest.disks = None
        with self.recorded():
            self.migration.status = 'completed'
        self.assertIn('Unable to log the summary', self.log.output)

    def test_an_error_goes_on_and_is_the_reason(self):
        def fail():
            with self.recorded():
                raise ValueError('lost')

        self.assertRaises(ValueError, fail)
        found = self.line()
        self.assertEqual(('failed', 'lost'), (found.result, found.reason))


class RecordsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.instance = nova_objects.instance()
        self.records = record.Records()

    def test_both_threads_have_the_same_copy(self):
        self.records.copy(self.instance).reason = 'lost'
        self.assertEqual('lost', self.records.copy(self.instance).reason)

    def test_what_an_earlier_migration_left_is_not_told_of_the_next(self):
        self.records.copy(self.instance).reason = 'lost'
        self.records.prepared(self.instance, record.Transfer())
        self.assertEqual(record.Copy(), self.records.copy(self.instance))
