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

"""What the destination tells of a guest that has arrived."""

import os

import fixtures
from nova import exception
from nova import objects

from nova_blockmig.compute import arrival
from nova_blockmig.compute import directory
from nova_blockmig.core import migration_record
from nova_blockmig.tests.unit.compute import destination_case
from nova_blockmig.tests.unit.compute import nova_objects

STATS = {'type': 3, 'downtime': 140, 'downtime_net': 132}


class ArrivalTest(destination_case.Case):
    def setUp(self):
        super().setUp()
        objects.register_all()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.create = self.useFixture(
            fixtures.MockPatchObject(
                objects.InstanceActionEvent, 'create', autospec=True
            )
        ).mock
        self.host = nova_objects.host()
        self.domain = self.host.get_guest.return_value._domain
        self.domain.jobStats.return_value = STATS
        os.mkdir(self.instance_dir)
        directory.mark(self.instance_dir, self.instance, 'server2', 'record')

    def record(self):
        context = nova_objects.context(request_id='req-1')
        arrival.record(context, self.instance, self.host)

    def line(self):
        (found,) = filter(
            None,
            map(migration_record.read_arrival, self.log.output.splitlines()),
        )
        return found

    def test_the_line(self):
        self.record()
        found = self.line()
        self.assertEqual(
            ('server2', 'record', 140, 132),
            (
                found.source,
                found.migration,
                found.downtime_ms,
                found.downtime_net_ms,
            ),
        )
        self.assertEqual(self.instance.uuid, found.instance)
        # Of the job that has ended, and not taken away from others.
        self.domain.jobStats.assert_called_once_with(1 | 2)

    def test_the_event(self):
        self.record()
        event, uuid, request = self.create.call_args.args
        self.assertEqual((self.instance.uuid, 'req-1'), (uuid, request))
        self.assertEqual(
            (migration_record.DOWNTIME_EVENT, 'Success'),
            (event.event, event.result),
        )
        self.assertEqual('The guest stood still for 140 ms', event.details)

    def test_a_mark_that_does_not_name_the_migration(self):
        directory.mark(self.instance_dir, self.instance, 'server2', None)
        self.record()
        self.assertEqual('', self.line().migration)

    def test_what_libvirt_does_not_say(self):
        self.domain.jobStats.return_value = {'type': 0}
        self.record()
        found = self.line()
        self.assertIsNone(found.downtime_ms)
        self.assertIsNone(found.downtime_net_ms)
        self.create.assert_not_called()

    def test_no_block_migration(self):
        directory.unmark(self.instance_dir)
        self.record()
        self.host.get_guest.assert_not_called()
        self.assertEqual('', self.log.output)

    def test_no_error_reaches_a_migration_that_is_done(self):
        for where, error in (
            (self.host.get_guest, exception.InstanceNotFound(instance_id='x')),
            (self.domain.jobStats, RuntimeError('no job')),
            (self.create, exception.InstanceActionNotFound(
                request_id='req-1', instance_uuid='x')),
        ):  # fmt: skip
            where.side_effect = error
            self.record()
            where.side_effect = None
        self.assertEqual(3, self.log.output.count('Unable to record how long'))
        # An event that cannot be kept leaves the line.
        self.assertEqual(140, self.line().downtime_ms)
