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

"""block_migration_flag as the driver meets it."""

import pathlib
import types
from unittest import mock

import fixtures
from nova import exception
from nova.virt.libvirt import guest as libvirt_guest
from oslo_config import cfg

from nova_blockmig import conf
from nova_blockmig.compute import flags
from nova_blockmig.tests.unit import base

LIBVIRT = types.SimpleNamespace(
    VIR_MIGRATE_LIVE=1,
    VIR_MIGRATE_PEER2PEER=2,
    VIR_MIGRATE_PERSIST_DEST=8,
    VIR_MIGRATE_UNDEFINE_SOURCE=16,
    VIR_MIGRATE_NON_SHARED_DISK=64,
    VIR_MIGRATE_NON_SHARED_INC=128,
    VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES=1 << 18,
    VIR_MIGRATE_PARAM_BANDWIDTH='bandwidth',
    VIR_DOMAIN_PAUSED=3,
)
COMPUTED = 1 | 2 | 8 | 16 | 128
ARTICLE = (
    'block_migration_flag=VIR_MIGRATE_UNDEFINE_SOURCE,'
    'VIR_MIGRATE_PEER2PEER,VIR_MIGRATE_NON_SHARED_INC\n'
)


class TestAtStart(base.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def read(self, text):
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = directory / 'nova.conf'
        self.path.write_text(text)
        parsed = cfg.ConfigOpts()
        conf.register_opts(parsed)
        parsed(['--config-file', str(self.path)], default_config_files=[])
        return parsed

    def used(self, text):
        parsed = self.read(text)
        return flags.block_migration_flags(
            LIBVIRT,
            parsed.blockmig.block_migration_flag,
            computed=COMPUTED,
            libvirt_version=9000000,
            qemu_version=7002000,
            config=parsed,
        )

    def test_unset(self):
        self.assertEqual(COMPUTED, self.used('[DEFAULT]\n'))
        self.assertIn(
            'Block migrations use VIR_MIGRATE_LIVE, VIR_MIGRATE_PEER2PEER, '
            'VIR_MIGRATE_PERSIST_DEST, VIR_MIGRATE_UNDEFINE_SOURCE, '
            'VIR_MIGRATE_NON_SHARED_INC\n',
            self.log.output,
        )

    def test_the_line_of_2012_under_each_name(self):
        for group in ('DEFAULT', 'libvirt', 'blockmig'):
            self.assertEqual(COMPUTED - 1, self.used(f'[{group}]\n{ARTICLE}'))
            self.assertIn('run without VIR_MIGRATE_LIVE', self.log.output)

    def test_error_names_the_place(self):
        for group in ('DEFAULT', 'libvirt', 'blockmig'):
            error = self.assertRaises(
                exception.InvalidConfiguration,
                self.used,
                f'[{group}]\nblock_migration_flag = VIR_MIGRATE_PEER2PER\n',
            )
            self.assertIn(
                f'[{group}] block_migration_flag in {self.path} = '
                'VIR_MIGRATE_PEER2PER cannot be used: VIR_MIGRATE_PEER2PER '
                'is not a migration flag of libvirt (did you mean '
                'VIR_MIGRATE_PEER2PEER?)',
                str(error),
            )

    def test_set_but_empty(self):
        self.assertRaises(
            exception.InvalidConfiguration,
            self.used,
            '[blockmig]\nblock_migration_flag =\n',
        )

    def test_place_unknown(self):
        error = self.assertRaises(
            exception.InvalidConfiguration,
            flags.block_migration_flags,
            LIBVIRT,
            ['VIR_MIGRATE_LIVE'],
            computed=COMPUTED,
            libvirt_version=9000000,
            qemu_version=7002000,
        )
        self.assertIn('[blockmig] block_migration_flag = ', str(error))


class TestZeroDetection(base.TestCase):
    def test_off(self):
        flags.check_zero_detection(False, 9000000)

    def test_libvirt_has_it(self):
        flags.check_zero_detection(True, 10009000)

    def test_libvirt_is_too_old(self):
        error = self.assertRaises(
            exception.InvalidConfiguration,
            flags.check_zero_detection,
            True,
            9000000,
        )
        self.assertEqual(
            '[blockmig] migrate_disks_detect_zeroes needs libvirt 10.9.0, '
            'and this host runs 9.0.0: disable it, or upgrade libvirt',
            str(error),
        )


class TestGuestToMigrate(base.TestCase):
    """Nova's own Guest, down to the call of libvirt."""

    def setUp(self):
        super().setUp()
        self.domain = mock.Mock()
        self.useFixture(
            fixtures.MockPatchObject(libvirt_guest, 'libvirt', LIBVIRT)
        )
        self.guest = libvirt_guest.Guest(self.domain)

    def migrate(self, device_names, bits, xml='<domain/>', **kwargs):
        guest = flags.guest_to_migrate(
            LIBVIRT, self.guest, device_names, used=bits, **kwargs
        )
        guest.migrate(
            'qemu+tcp://there/system',
            migrate_uri=None,
            flags=bits,
            migrate_disks=device_names,
            destination_xml=xml,
            bandwidth=0,
        )
        call = self.domain.migrateToURI3.call_args
        self.params = call.kwargs['params']
        return call.kwargs['flags']

    def test_disks_are_copied_as_asked(self):
        bits = 2 | 16 | 64 | 1 << 18
        self.assertEqual(bits, self.migrate(['vda'], bits))

    def test_nothing_stands_between_where_nothing_is_to_be_changed(self):
        for used in (128, 1 | 2):
            self.assertIs(
                self.guest,
                flags.guest_to_migrate(LIBVIRT, self.guest, [], used=used),
            )

    def test_a_copied_disk_gets_no_base_of_the_source(self):
        volume = (
            "<disk><target dev='vdb'/><backingStore type='file'>"
            "<source file='/mnt/base'/></backingStore></disk>"
        )
        given = (
            "<domain type='qemu' xmlns:q='http://libvirt.org/schemas/domain"
            "/qemu/1.0'><q:commandline/><devices>"
            "<disk><source file='/i/disk'/><backingStore type='file'>"
            "<source file='/i/_base/b'/><backingStore/></backingStore>"
            f"<target dev='vda'/></disk>{volume}</devices></domain>"
        )
        self.migrate(['vda'], 1 | 2 | 128, xml=given)
        xml = self.params['destination_xml']
        self.assertEqual(xml, self.params['persistent_xml'])
        self.assertNotIn('/i/_base/b', xml)
        for kept in (
            '/i/disk', '/mnt/base', 'q:commandline', 'vda', 'vdb',
        ):  # fmt: skip
            self.assertIn(kept, xml)

    def test_volumes_are_never_copied(self):
        for copy in (64, 128, 64 | 1 << 18, 128 | 1 << 18):
            for detect in (False, True):
                used = self.migrate([], 1 | 2 | copy, detect_zeroes=detect)
                self.assertEqual(1 | 2, used)
                self.assertNotIn('migrate_disks', self.params)
                self.assertNotIn('migrate_disks_detect_zeroes', self.params)

    def test_zeroes_are_looked_for_on_the_disks_that_are_copied(self):
        bits = 1 | 2 | 128
        used = self.migrate(['vda', 'vdc'], bits, detect_zeroes=True)
        self.assertEqual(bits, used)
        self.assertEqual(
            {
                'bandwidth': 0,
                'destination_xml': '<domain/>',
                'persistent_xml': '<domain/>',
                'migrate_disks': ['vda', 'vdc'],
                'migrate_disks_detect_zeroes': ['vda', 'vdc'],
            },
            self.params,
        )

    def test_other_live_migrations_are_left_alone(self):
        bits = 1 | 2 | 8 | 16
        self.assertEqual(bits, self.migrate([], bits))

    def test_all_else_is_the_guests(self):
        guest = flags.guest_to_migrate(LIBVIRT, self.guest, [], used=64)
        self.assertIsNot(self.guest, guest)
        guest.abort_job()
        self.domain.abortJob.assert_called_once_with()
