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

"""The table of services, and the files that they are started with."""

import configparser
from pathlib import Path
from typing import Any

import jinja2
import testtools

from blocklab.commands import up
from blocklab.machine import layout
from blocklab.machine import releases
from blocklab.services import config
from blocklab.services import services
from blocklab.services import settings
from blocklab.services.service import Alive
from blocklab.services.service import Service

EVERYWHERE = '0.0.0.0'  # noqa: S104 - to be found nowhere
PASSWORDS = {
    name: f'{name}-password'
    for name in ('admin', 'service', 'database', 'rabbit')
}


class RenderedCase(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.lab = layout.named('lab')
        self.release = releases.named('2026.2')

    def choose(self, **chosen: Any) -> settings.Settings:
        return settings.Settings(
            Path('unused'), settings.Choices(**chosen), PASSWORDS
        )

    def services(self, **chosen: Any) -> tuple[Service, ...]:
        return services.all_services(
            self.lab, self.release, settings.Choices(**chosen)
        )

    def files(self, **chosen: Any) -> dict[Path, str]:
        return config.files(self.lab, self.release, self.choose(**chosen))

    def host_conf(
        self, host: str, **chosen: Any
    ) -> configparser.RawConfigParser:
        parsed = configparser.RawConfigParser()
        parsed.read_string(
            self.files(**chosen)[self.lab.etc / host / 'nova-host.conf']
        )
        return parsed


class ServicesTest(RenderedCase):
    def test_names_are_unique(self) -> None:
        names = [service.name for service in self.services()]
        self.assertEqual(len(set(names)), len(names))

    def test_cinder_only_adds_services(self) -> None:
        without = {each.name: each for each in self.services()}
        with_it = {each.name: each for each in self.services(cinder=True)}
        added = ('cinder-api', 'cinder-scheduler', 'cinder-volume')
        self.assertEqual(
            with_it, without | {name: with_it[name] for name in added}
        )
        self.assertEqual(self.files(), self.files(cinder=True))

    def test_every_file_of_a_service_is_made(self) -> None:
        made = set(self.files())
        stamps = {
            self.release.venv / '.services.sha256',
            self.release.venv / '.cinder.sha256',
            self.release.ours / '.nova-blockmig.sha256',
        }
        for service in self.services(cinder=True):
            self.assertEqual(set(), set(service.files) - made - stamps)

    def test_every_step_that_a_service_needs_exists(self) -> None:
        made_once = {
            'database files', 'switch files', 'catalog', 'nova api tables',
            'nova cell0 tables', 'nova cell1 tables',
            'keystone tables', 'glance tables', 'neutron tables',
            'placement tables', 'identity@server2', 'identity@server-01',
            'cinder tables', 'cinder catalog',
        }  # fmt: skip
        services = self.services(cinder=True)
        known = made_once | {service.name for service in services}
        for service in services:
            self.assertEqual(set(), set(up._needs(service.name)) - known)

    def test_our_package_restarts_only_computes_that_run_it(self) -> None:
        ours = self.release.ours / '.nova-blockmig.sha256'
        chosen = {'server2': 'blockmig', 'server-01': 'in-tree'}
        affected = [
            service.name
            for service in self.services(drivers=chosen)
            if ours in service.files
        ]
        self.assertEqual(['nova-compute@server2'], affected)

    def test_a_host_of_another_debian_has_its_own_environment(self) -> None:
        """The hosts' services; the controller's are this machine's."""
        found = {
            service.name: service.command[0]
            for service in self.services(systems={'server2': 'trixie'})
            if service.name.startswith('nova-')
        }
        other = self.release.on('trixie')
        here = f'{self.release.ours}/bin/nova-compute'
        there = f'{other.ours}/bin/nova-compute'
        self.assertEqual(there, found['nova-compute@server2'])
        self.assertEqual(here, found['nova-compute@server-01'])
        files = self.files(systems={'server2': 'trixie'})
        helper = f'{other.ours}/bin/privsep-helper'
        for host, expected in (('server2', True), ('server-01', False)):
            text = files[self.lab.etc / host / 'nova.conf']
            self.assertEqual(expected, helper in text, host)

    def test_the_in_tree_driver_runs_without_our_package(self) -> None:
        command = next(
            service.command[0]
            for service in self.services(
                drivers={'server2': 'in-tree', 'server-01': 'blockmig'}
            )
            if service.name == 'nova-compute@server2'
        )
        self.assertEqual(f'{self.release.venv}/bin/nova-compute', command)

    def test_debians_own_nova_runs_as_debian_has_it(self) -> None:
        chosen = {'systems': {'server2': 'trixie-nova'}}
        computes = {
            service.name: service
            for service in self.services(**chosen)
            if service.name.startswith('nova-compute@')
        }
        there = computes['nova-compute@server2']
        self.assertIn('--reuid=nova', there.command)
        self.assertEqual(
            ('/etc/init.d/nova-compute', 'systemd-start'), there.command[-2:]
        )
        self.assertNotIn(str(self.release.venv), ' '.join(there.command))
        here = computes['nova-compute@server-01']
        self.assertIn(str(self.release.venv), here.command[0])

        host = self.lab.host('server2')
        files = self.files(**chosen)
        written = host.debian_etc / 'nova-compute.conf'
        self.assertIn(written, there.files)
        parsed = configparser.RawConfigParser(strict=False)
        parsed.read_string(files[written])
        self.assertEqual('server2', parsed['DEFAULT']['host'])
        self.assertEqual(
            'nova_blockmig.LibvirtDriver', parsed['DEFAULT']['compute_driver']
        )
        # nova may not run what it likes as root, as Debian has it.
        self.assertNotIn('helper_command', files[written])
        # Debian's own file is read before, and stays.
        self.assertNotIn(host.debian_etc / 'nova.conf', files)
        self.assertNotIn(self.lab.etc / 'server2' / 'nova.conf', files)
        qemu = host.directory / 'libvirt' / 'etc' / 'qemu.conf'
        self.assertNotIn('root', files[qemu])

    def test_debians_own_nova_with_other_threads(self) -> None:
        (command,) = (
            service.command
            for service in self.services(
                systems={'server2': 'trixie-nova'},
                concurrency={'server2': 'eventlet'},
            )
            if service.name == 'nova-compute@server2'
        )
        self.assertIn('OS_NOVA_DISABLE_EVENTLET_PATCHING=false', command)

    def test_concurrency_is_chosen_per_host(self) -> None:
        variable = 'OS_NOVA_DISABLE_EVENTLET_PATCHING'
        found = {
            service.name: service.environment.get(variable)
            for service in self.services(concurrency={'server2': 'eventlet'})
            if service.name.startswith('nova-compute')
        }
        self.assertEqual(
            {'nova-compute@server2': 'false', 'nova-compute@server-01': None},
            found,
        )


class FilesTest(RenderedCase):
    def test_driver_of_each_host(self) -> None:
        chosen = {'server2': 'in-tree', 'server-01': 'blockmig'}
        drivers = {
            host: self.host_conf(host, drivers=chosen)['DEFAULT'][
                'compute_driver'
            ]
            for host in chosen
        }
        self.assertEqual(
            {
                'server2': 'libvirt.LibvirtDriver',
                'server-01': 'nova_blockmig.LibvirtDriver',
            },
            drivers,
        )

    def test_extra_settings_reach_their_host_alone(self) -> None:
        extra = {'server2': {'libvirt': {'images_type': 'raw'}}}
        there = self.host_conf('server2', extra=extra)
        self.assertEqual('raw', there['libvirt']['images_type'])
        other = self.host_conf('server-01', extra=extra)
        self.assertNotIn('libvirt', other)

    def test_hosts_have_different_libvirt_identities(self) -> None:
        files = self.files()
        identities = {
            files[host.directory / 'libvirt' / 'etc' / 'libvirtd.conf']
            for host in self.lab.computes
        }
        self.assertEqual(2, len(identities))

    def test_nothing_listens_on_every_address(self) -> None:
        for path, text in self.files().items():
            self.assertNotIn(EVERYWHERE, text, str(path))
        for service in self.services():
            self.assertNotIn(EVERYWHERE, ' '.join(service.command))

    def test_a_missing_value_is_an_error(self) -> None:
        self.assertRaises(
            jinja2.UndefinedError, config.render, 'libvirtd.conf', uuid='x'
        )

    def test_supervisor_knows_every_service(self) -> None:
        parsed = configparser.RawConfigParser()
        parsed.read_string(config.supervisor(self.lab, self.services()))
        self.assertEqual(
            {f'program:{service.name}' for service in self.services()},
            {
                name
                for name in parsed.sections()
                if name.startswith('program:')
            },
        )

    def test_supervisor_does_not_expand_percent_signs(self) -> None:
        host = self.lab.controller
        odd = Service('odd', host, ('echo', '%s'), Path('/log'), Alive())
        parsed = configparser.RawConfigParser()
        parsed.read_string(config.supervisor(self.lab, (odd,)))
        self.assertIn('%%s', parsed['program:odd']['command'])


class ReleasesTest(testtools.TestCase):
    def test_every_release_has_its_pins(self) -> None:
        for release in releases.RELEASES.values():
            pinned = {
                line.split('==')[0].lower()
                for line in release.constraints.read_text().splitlines()
            }
            wanted = {name.lower() for name in releases.PACKAGES}
            self.assertEqual(set(), wanted - pinned, release.name)

    def test_nova_is_of_the_release(self) -> None:
        for release in releases.RELEASES.values():
            self.assertIn(
                f'\nnova=={release.nova}.', release.constraints.read_text()
            )
