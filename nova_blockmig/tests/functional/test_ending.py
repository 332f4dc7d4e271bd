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

"""Migrations that do not end well, through Nova's compute manager.

The guest goes on as it was, nothing is left on the destination, the reason
can be read, and the same migration can be asked for again.
"""

import os
import subprocess
import threading
import time
from typing import Any

import fixtures
from nova import exception
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.fixtures import libvirt_imagebackend as backend

from nova_blockmig.core import migration_record
from nova_blockmig.core import past_migrations
from nova_blockmig.tests.functional import base
from nova_blockmig.tests.functional import migrating

GIB = 2**30
SOURCE = migrating.SOURCE
DESTINATION = migrating.DESTINATION
BACKEND = 'nova.tests.fixtures.libvirt_imagebackend.LibvirtImageBackendFixture'
DOMAIN = 'nova.tests.fixtures.libvirt.Domain'
SAID = 'Unable to write to socket: No space left on device'
ABORTED = 'operation aborted: migration out job: canceled by client'
_ABORTED = 78  # VIR_ERR_OPERATION_ABORTED
_ACTIVE = (
    fakelibvirt.VIR_DOMAIN_RUNNING,
    fakelibvirt.VIR_DOMAIN_PAUSED,
)
_PATIENCE = 60


class EndingBase(migrating.MigratingBase):
    """One server; what its copy comes to is the test's to say.

    :ivar fails: what libvirt raises; None for a copy that succeeds.
    """

    def setUp(self) -> None:
        super().setUp()
        self.fails: fakelibvirt.libvirtError | None = None
        self.copying = threading.Event()
        self.aborted = threading.Event()
        self.addCleanup(self.aborted.set)
        # To libvirt a domain that is paused is active.
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{DOMAIN}.isActive', lambda domain: domain._state in _ACTIVE
            )
        )
        self.start_host(SOURCE)
        self.server = self.boot(SOURCE, disk=GIB)
        self.start_host(DESTINATION)
        self.cache_image(DESTINATION, self.server)

    def _copy(
        self, domain: Any, destination: str, params: Any = None, flags: int = 0
    ) -> None:
        if self.fails is None:
            super()._copy(domain, destination, params, flags)
            return
        # As libvirt has it: a job that is over is none.
        self.copying.set()
        if self.fails.get_error_code() == _ABORTED:
            self.aborted.wait(_PATIENCE)
        domain._job_type = fakelibvirt.VIR_DOMAIN_JOB_NONE
        raise self.fails

    def make_fail(self, said: str, code: int = 38) -> None:
        self.fails = fakelibvirt.make_libvirtError(
            fakelibvirt.libvirtError, said, error_code=code
        )

    def connection(self, host: str) -> Any:
        return self.computes[host].driver._host.get_connection()

    def succeed(self) -> None:
        self.fails = None
        for domain in self.connection(SOURCE).listAllDomains(0):
            domain._job_type = fakelibvirt.VIR_DOMAIN_JOB_UNBOUNDED

    def events(self) -> dict[str, str]:
        """What the last action says, by event."""
        last = self.api.get_instance_actions(self.server['id'])[0]
        shown = self.api.get_instance_action_details(
            self.server['id'], last['request_id']
        )
        return {e['event']: e['details'] or '' for e in shown['events']}

    def wait_for_event(self, name: str) -> str:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if (found := self.events()).get(name):
                return found[name]
            time.sleep(0.1)
        raise AssertionError(f'no event {name}: {found}')

    def record(self, number: int = 1) -> migration_record.MigrationRecord:
        """The last of so many lines of ours in the log; may still come."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            text = self.stdlog.logger.output
            lines = map(migration_record.read, text.splitlines())
            found = [line for line in lines if line]
            if len(found) >= number or time.monotonic() > deadline:
                self.assertEqual(number, len(found))
                return found[-1]
            time.sleep(0.1)

    def abort(self) -> None:
        (found,) = self.api.api_get(
            f'/servers/{self.server["id"]}/migrations'
        ).body['migrations']
        self.api.api_delete(
            f'/servers/{self.server["id"]}/migrations/{found["id"]}'
        )

    def assert_stayed(self, status: str = 'ACTIVE') -> None:
        """As before, and nothing but the image cache is there."""
        server = self._wait_for_server_parameter(
            self.server, {'status': status, 'OS-EXT-STS:task_state': None}
        )
        self.assertEqual(SOURCE, server['OS-EXT-SRV-ATTR:host'])
        self.assertNotIn('fault', server)
        self.assert_clean()

    def assert_clean(self) -> None:
        """Nova tells the destination of the rollback, and does not wait."""
        path = self.instance_path(DESTINATION, self.server)
        deadline = time.monotonic() + _PATIENCE
        while os.path.lexists(path) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(['_base'], os.listdir(self.root.join(DESTINATION)))

    def assert_moves_now(self) -> None:
        self.succeed()
        self.assert_moves(self.server, DESTINATION)


class CopyTest(EndingBase):
    def test_one_that_fails(self) -> None:
        self.make_fail(SAID)
        self.request(self.server)
        self._wait_for_migration_status(self.server, ['failed'])
        self.assert_stayed()
        self.assertIn(SAID, self.wait_for_event('compute_live_migration_copy'))
        record = self.record()
        self.assertEqual(('failed', SAID), (record.result, record.reason))
        self.assert_moves_now()
        record = self.record(2)
        self.assertEqual(('completed', ''), (record.result, record.reason))

    def test_one_of_a_paused_guest_that_fails(self) -> None:
        self.api.post_server_action(self.server['id'], {'pause': {}})
        self._wait_for_state_change(self.server, 'PAUSED')
        self.make_fail(SAID)
        self.request(self.server)
        self._wait_for_migration_status(self.server, ['failed'])
        self.assert_stayed('PAUSED')
        self.assertIn(SAID, self.wait_for_event('compute_live_migration_copy'))

    def test_one_that_is_aborted(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{DOMAIN}.abortJob', lambda domain: self.aborted.set()
            )
        )
        self.make_fail(ABORTED, _ABORTED)
        self.request(self.server)
        self.assertTrue(self.copying.wait(_PATIENCE))
        self._wait_for_migration_status(self.server, ['running'])
        self.abort()
        self._wait_for_migration_status(self.server, ['cancelled'])
        self.assert_stayed()
        self.assertNotIn('compute_live_migration_copy', self.events())
        record = self.record()
        self.assertEqual(
            ('cancelled', ABORTED), (record.result, record.reason)
        )
        self.assert_moves_now()

    def test_the_downtime_of_one_that_succeeds(self) -> None:
        """libvirt of the destination tells it, and only of the last job."""
        running = fakelibvirt.Domain.jobStats

        def stats(domain: Any, flags: int = 0) -> dict[str, int]:
            if not flags:
                return dict(running(domain))
            here = domain._connection is self.connection(DESTINATION)
            return {'downtime': 140, 'downtime_net': 132} if here else {}

        self.useFixture(fixtures.MonkeyPatch(f'{DOMAIN}.jobStats', stats))
        self.assert_moves(self.server, DESTINATION)
        self.assertEqual(
            'The guest stood still for 140 ms',
            self.wait_for_event(migration_record.DOWNTIME_EVENT),
        )
        record = self.record()
        lines = self.stdlog.logger.output.splitlines()
        (found,) = filter(None, map(migration_record.read_arrival, lines))
        self.assertEqual(
            (140, 132), (found.downtime_ms, found.downtime_net_ms)
        )
        self.assertEqual(
            (record.instance, record.source, record.destination),
            (found.instance, found.source, found.destination),
        )
        self.assertEqual(record.migration, found.migration)
        ended = past_migrations.in_lines(lines)
        ((merged,),) = ended.values()
        self.assertEqual(140, merged.downtime_ms)

    def test_a_downtime_that_cannot_be_told(self) -> None:
        """Neither libvirt nor the conductor ends what is done."""
        running = fakelibvirt.Domain.jobStats

        def stats(domain: Any, flags: int = 0) -> dict[str, int]:
            if flags:
                raise fakelibvirt.make_libvirtError(
                    fakelibvirt.libvirtError, 'no connection', error_code=38
                )
            return dict(running(domain))

        self.useFixture(fixtures.MonkeyPatch(f'{DOMAIN}.jobStats', stats))
        self.assert_moves(self.server, DESTINATION)
        self._wait_for_migration_status(self.server, ['completed'])
        self.assertIn('how long the guest stood', self.stdlog.logger.output)
        self.assertNotIn(migration_record.DOWNTIME_EVENT, self.events())


class PreparationTest(EndingBase):
    """What goes wrong before libvirt copies anything."""

    def test_an_image_without_data(self) -> None:
        """Found out when the disks of the destination are half-made."""
        made = self.useFixture(
            fixtures.MockPatch(
                'nova_blockmig.driver.LibvirtDriver'
                '._create_images_and_backing',
                side_effect=self.half_made,
            )
        ).mock
        self.request(self.server)
        self._wait_for_migration_status(self.server, ['failed'])
        self.assert_stayed()
        self.assertEqual(1, made.call_count)
        made.side_effect = None
        self.assert_moves_now()

    @staticmethod
    def half_made(
        context: Any, instance: Any, directory: str, *args: Any
    ) -> None:
        for name in ('disk.config', 'disk.eph0', 'disk.swap'):
            with open(os.path.join(directory, name), 'wb'):
                pass
        raise exception.ImageUnacceptable(
            image_id='image', reason='Image has no associated data'
        )


class FlattenTest(EndingBase):
    """A disk whose base is nobody's image, and a flattening without end."""

    def setUp(self) -> None:
        self.flattening = threading.Event()
        original = backend.LibvirtImageBackendFixture._fake_libvirt_info

        def in_qcow2(fixture: Any, *args: Any, **kwargs: Any) -> Any:
            info = original(fixture, *args, **kwargs)
            info.driver_format = 'qcow2'
            return info

        for target, replacement in (
            (f'{BACKEND}._fake_libvirt_info', in_qcow2),
            (f'{DOMAIN}.blockRebase', lambda *args, **kw: self.begin()),
            (f'{DOMAIN}.blockJobInfo', lambda *args, **kw: self.job()),
            (f'{DOMAIN}.blockJobAbort', lambda *args, **kw: self.end()),
        ):
            self.useFixture(fixtures.MonkeyPatch(target, replacement))
        super().setUp()
        directory = self.instance_path(SOURCE, self.server)
        base = self.root.join('base')
        with open(base, 'wb') as file:
            file.truncate(GIB)
        subprocess.run(
            ['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw',
             '-b', base, os.path.join(directory, 'disk')],
            check=True,
        )  # fmt: skip

    def begin(self) -> None:
        self.flattening.set()

    def end(self) -> None:
        self.aborted.set()

    def job(self) -> dict[str, int]:
        if self.flattening.is_set() and not self.aborted.is_set():
            return {'type': 1, 'bandwidth': 0, 'cur': 1, 'end': 2}
        return {}

    def test_one_that_is_aborted(self) -> None:
        self.request(self.server)
        self.assertTrue(self.flattening.wait(_PATIENCE))
        self._wait_for_migration_status(self.server, ['preparing'])
        self.abort()
        self._wait_for_migration_status(self.server, ['cancelled'])
        self.assertTrue(self.aborted.is_set())
        self.assert_stayed()
        self.assertNotIn('compute_live_migration_prepare', self.events())

    def test_one_that_fails(self) -> None:
        """QEMU ends the job, and the disk still has its base."""
        self.request(self.server)
        self.assertTrue(self.flattening.wait(_PATIENCE))
        self.aborted.set()
        self._wait_for_migration_status(self.server, ['error', 'failed'])
        self.assert_stayed()
        self.assertIn(
            'disk could not be flattened',
            self.wait_for_event('compute_live_migration_prepare'),
        )

    def test_one_whose_nova_compute_is_stopped(self) -> None:
        """As by SIGTERM, of which Nova 33 and later wait for a while."""
        if hasattr(base.CONF, 'manager_shutdown_timeout'):
            # As much as Nova keeps for what comes after it has waited.
            self.flags(manager_shutdown_timeout=20)
        self.request(self.server)
        self.assertTrue(self.flattening.wait(_PATIENCE))
        stopping = threading.Thread(target=self.computes[SOURCE].stop)
        stopping.start()
        self.addCleanup(stopping.join, _PATIENCE)
        self.assertTrue(self.aborted.wait(_PATIENCE))
        self._wait_for_migration_status(self.server, ['error', 'failed'])
        self.assert_stayed()
        self.assertIn(
            'nova-compute is being stopped',
            self.wait_for_event('compute_live_migration_prepare'),
        )
