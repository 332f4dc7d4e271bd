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

import contextlib
import io
import socket
import sys
from unittest import mock

import fixtures
import libvirt
import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from oslo_config import fixture as config_fixture

from nova_blockmig import conf
from nova_blockmig.cmd import host_checks
from nova_blockmig.cmd import peer_checks
from nova_blockmig.cmd import status
from nova_blockmig.core import host_findings
from nova_blockmig.tests.unit import base

GOOD, CARE, BAD = host_findings.Level


class FakeError(Exception):
    pass


class StatusTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.config = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.register_opts(nova.conf.CONF)
        self.config.register_cli_opts(status.OPTIONS)
        self.connection = mock.Mock()
        self.connection.getLibVersion.return_value = 12000000
        self.connection.getVersion.return_value = 10000013
        self.libvirt = mock.Mock(libvirtError=FakeError)
        self.libvirt.openReadOnly.return_value = self.connection
        for name in dir(libvirt):
            if name.startswith('VIR_'):
                setattr(self.libvirt, name, getattr(libvirt, name))
        self.useFixture(
            fixtures.MockPatchObject(libvirt_driver, 'libvirt', self.libvirt)
        )


class TestChecks(StatusTestCase):
    def test_libvirtd(self) -> None:
        found = host_checks.libvirtd(nova.conf.CONF)
        self.assertIs(GOOD, found.level, found.text)
        self.assertIn('libvirt 12.0.0, QEMU 10.0.13', found.text)
        self.connection.close.assert_called_once_with()

    def test_libvirt_that_nova_has_not_imported(self) -> None:
        """As with Nova 31 and 32, before a driver is made."""
        libvirt_driver.libvirt = None
        with mock.patch.dict(sys.modules, libvirt=self.libvirt):
            found = host_checks.libvirtd(nova.conf.CONF)
        self.assertIs(GOOD, found.level, found.text)

    def test_versions_with_known_defects(self) -> None:
        self.connection.getVersion.return_value = 8002002
        found = host_checks.libvirtd(nova.conf.CONF)
        self.assertIs(CARE, found.level)
        self.assertIn('QEMU 8.2.2', found.text)

    def test_libvirtd_is_silent(self) -> None:
        self.libvirt.openReadOnly.side_effect = FakeError('no socket')
        found = host_checks.libvirtd(nova.conf.CONF)
        self.assertIs(BAD, found.level)
        self.assertIn('no socket', found.text)

    def test_flags_that_nova_compute_would_not_start_with(self) -> None:
        self.config.config(
            group='blockmig', block_migration_flag=['VIR_MIGRATE_LIVE']
        )
        found = host_checks.libvirtd(nova.conf.CONF)
        self.assertIs(BAD, found.level)
        self.assertIn('VIR_MIGRATE_PEER2PEER', found.text)

    def test_zero_detection_on_an_old_libvirt(self) -> None:
        self.config.config(group='blockmig', migrate_disks_detect_zeroes=True)
        self.connection.getLibVersion.return_value = 9000000
        found = host_checks.libvirtd(nova.conf.CONF)
        self.assertIs(BAD, found.level)
        self.assertIn('detect_zeroes', found.text)

    def test_a_peer(self) -> None:
        server = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(server.close)
        port = server.getsockname()[1]
        self.config.config(
            group='libvirt',
            live_migration_uri=f'qemu+tcp://%s:{port}/system',
        )
        self.assertIs(GOOD, host_checks.peer('127.0.0.1').level)
        self.libvirt.openReadOnly.assert_called_once_with(
            f'qemu+tcp://127.0.0.1:{port}/system'
        )

    def test_a_peer_that_nobody_listens_on(self) -> None:
        with socket.create_server(('127.0.0.1', 0)) as server:
            port = server.getsockname()[1]
        self.config.config(
            group='libvirt',
            live_migration_uri=f'qemu+tcp://%s:{port}/system',
        )
        found = host_checks.peer('127.0.0.1')
        self.assertIs(BAD, found.level)
        self.libvirt.openReadOnly.assert_not_called()

    def test_ssh_never_asks_for_a_password(self) -> None:
        with host_checks.connected('qemu+ssh://x/system'):
            pass
        self.libvirt.openReadOnly.assert_called_once_with(
            'qemu+ssh://x/system?no_tty=1'
        )

    def test_space(self) -> None:
        directory = self.useFixture(fixtures.TempDir()).path
        self.config.config(instances_path=directory)
        self.assertIs(GOOD, host_checks.space(nova.conf.CONF).level)
        self.config.config(reserved_host_disk_mb=2**40)
        self.assertIs(CARE, host_checks.space(nova.conf.CONF).level)
        self.config.config(instances_path=f'{directory}/no')
        self.assertIs(BAD, host_checks.space(nova.conf.CONF).level)


class TestProgram(StatusTestCase):
    def run_checks(self, *peers: str) -> tuple[int, str]:
        self.config.config(peer=list(peers))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = status.Checks(nova.conf.CONF).check()
        return int(code), out.getvalue()

    def test_the_worst_is_the_exit_code(self) -> None:
        directory = self.useFixture(fixtures.TempDir()).path
        self.config.config(
            instances_path=directory,
            compute_driver=host_findings.DRIVER,
        )
        self.config.config(
            group='libvirt', live_migration_with_native_tls=True
        )
        code, out = self.run_checks()
        self.assertEqual(0, code, out)
        self.config.config(compute_driver='libvirt.LibvirtDriver')
        self.assertEqual(1, self.run_checks()[0])
        self.libvirt.openReadOnly.side_effect = FakeError('no socket')
        self.assertEqual(2, self.run_checks()[0])

    def test_each_peer_is_asked(self) -> None:
        found = host_findings.good('fine')
        for of, name in (
            (host_checks, 'peer'),
            (peer_checks, 'ports'),
            (peer_checks.Peers, 'settings'),
            (peer_checks.Peers, 'clock'),
        ):
            self.useFixture(
                fixtures.MockPatchObject(of, name, lambda *_: found)
            )
        _, out = self.run_checks('server-01', 'server-02')
        for what in ('libvirtd', 'ports', 'settings', 'clock'):
            for host in ('server-01', 'server-02'):
                self.assertIn(f'{what} of {host}', out)
