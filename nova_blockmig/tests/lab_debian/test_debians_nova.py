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


"""A host with Debian's own Nova and our Debian package, and one from PyPI.

Both run Debian 13: Nova moves no instance to an older QEMU. The lab has to run
OpenStack 2025.1, which is the release of Debian's Nova.
"""

from typing import Any

from blocklab.migration import scenario
from nova_blockmig.tests.lab import base

PYPI, DEBIAN = base.HOSTS
SYSTEMS = {PYPI: 'trixie', DEBIAN: 'trixie-nova'}
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=2, swap_mib=64
)
DISKS = {'disk', 'disk.config', 'disk.eph0', 'disk.swap'}


class DebiansNovaTest(base.LabTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.use(systems=SYSTEMS)

    def test_the_driver_is_in_force_as_debian_starts_it(self) -> None:
        """Debian's package, paths, user and log; our package beside it."""
        host = self.lab.host(DEBIAN)
        log = host.run(['cat', '/var/log/nova/nova-compute.log'])
        self.assertRegex(
            log,
            r"Loading compute driver 'nova_blockmig.LibvirtDriver'(?s:.*)"
            r'nova-blockmig \S+ with Nova 31\.0\.0: ',
        )
        pid = self.lab.supervisor.process(f'nova-compute@{DEBIAN}')
        user, command = host.run(
            ['ps', '-o', 'user=,args=', '-p', str(pid)]
        ).split(None, 1)
        self.assertEqual('nova', user)
        self.assertEqual(
            [
                '/usr/bin/python3',
                '/usr/bin/nova-compute',
                '--config-file=/etc/nova/nova.conf',
                '--config-file=/etc/nova/nova-compute.conf',
                '--log-file=/var/log/nova/nova-compute.log',
            ],
            command.split(),
        )
        for name in ('nova_blockmig', 'nova', 'libvirt'):
            file = host.run(
                ['python3', '-c', f'import {name} as it; print(it.__file__)']
            )
            owner = host.run(['dpkg-query', '-S', file.strip()])
            package = 'python3-' + name.replace('_', '-')
            self.assertEqual(package, owner.partition(':')[0])

    def test_a_paused_guest_of_the_host_from_pypi(self) -> None:
        self.move_paused(PYPI)

    def test_a_paused_guest_of_debians_host(self) -> None:
        self.move_paused(DEBIAN)

    def test_a_running_guest_of_the_host_from_pypi(self) -> None:
        self.move_running(PYPI)

    def test_a_running_guest_of_debians_host(self) -> None:
        self.move_running(DEBIAN)

    def move_paused(self, host: str) -> None:
        """There and back, and every disk is hashed."""
        instance = self.boot_on(host)
        before = instance.pause_and_hash()
        self.assertEqual(DISKS, before.keys())
        self.move(instance)
        self.assert_same(before, instance.hash())
        # A guest that has not run since it came is not moved again.
        instance.unpause()
        instance.wait_for_guest(
            lambda guest: bool(guest.last), 'a sign of life', 400
        )
        before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())

    def move_running(self, host: str) -> None:
        """There and back while it writes, and it reads all of its disks."""
        instance = self.boot_on(host)
        said = instance.guest()
        before = instance.hash(read_only=True)
        for _ in ('there', 'back'):
            self.move(instance)
            self.assert_same(before, instance.hash(read_only=True))
            seen = instance.wait_for_checks(said, 400)
            self.assertTrue(seen.sound, seen)
            self.assertIsNone(seen.boot, 'the guest was started again')

    def boot_on(self, host: str) -> Any:
        """A guest that has written to all of its disks."""
        instance = self.boot(FLAVOR, host)
        scenario.writing(instance, timeout=400)
        return instance
