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

"""Tests for what is done when nova-compute starts."""

from concurrent import futures
import logging
from unittest import mock

import fixtures
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import host
import testtools

from nova_blockmig import conf
from nova_blockmig import driver
from nova_blockmig import version
from nova_blockmig.compute import startup
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects


class EndingOnErrorTest(base.TestCase):
    """With Nova's own thread, that would keep the process."""

    def setUp(self):
        super().setUp()
        self.host = host.Host('test:///default')
        pool = futures.ThreadPoolExecutor(1)
        self.addCleanup(pool.shutdown)
        self.thread = pool.submit(self.host._conn_event_thread)
        self.addCleanup(self.end)

    def end(self):
        self.host._conn_event_handler_queue.put(startup._end_thread)

    def test_the_thread_ends(self):
        with (
            testtools.ExpectedException(ValueError, 'a wrong option'),
            startup.ending_on_error(self.host),
        ):
            raise ValueError('a wrong option')
        self.assertIsInstance(self.thread.exception(60), startup._ThreadEnds)

    def test_it_goes_on_otherwise(self):
        with startup.ending_on_error(self.host):
            pass
        seen = futures.Future()
        self.host._conn_event_handler_queue.put(
            lambda: seen.set_result('handled')
        )
        self.assertEqual('handled', seen.result(60))
        self.assertFalse(self.thread.done())


class ReleaseTest(base.TestCase):
    """What nova-compute's log says of Nova's release when it starts."""

    def warnings(self, nova):
        log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        self.useFixture(
            fixtures.MonkeyPatch('nova.version.version_string', lambda: nova)
        )
        conf.register_opts(driver.CONF)
        started = object.__new__(driver.LibvirtDriver)
        started._host = nova_objects.host()
        started.virtapi = started._check = started._source = object()
        with mock.patch.object(
            libvirt_driver.LibvirtDriver, 'init_host', autospec=True
        ) as in_tree:
            started.init_host('server2')
        in_tree.assert_called_once_with(started, 'server2')
        return log.output

    def test_nothing_of_a_release_that_was_tested(self):
        for number in version.KNOWN_RELEASES:
            self.assertEqual('', self.warnings(f'{number}.1.0'))

    def test_a_warning_about_any_other(self):
        for nova in ('99.0.0', '0.0.1.dev9'):
            self.assertIn(
                f'not been tested with Nova {nova}', self.warnings(nova)
            )
