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

"""Guests with UEFI firmware and with an emulated TPM.

Neither keeps its state on a disk: QEMU moves the variables of the firmware
with the memory, and libvirt the state of the TPM. The guests boot from kernel
and ramdisk images, which UEFI firmware starts like the kernel of a disk.
"""

import hashlib
import pathlib
import time
from typing import Any
from xml.etree import ElementTree

from blocklab.guest import glance
from blocklab.machine import errors
from blocklab.migration import scenario
from blocklab.migration import upgrade
from nova_blockmig.tests.lab import base
from nova_blockmig.tests.lab import test_disk_path as disk_path

FLAVOR = scenario.Flavor(
    memory_mib=256, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
# Nova 34 lets libvirt choose the firmware, and that of Debian 12 (9.0) refuses
# what Nova says about it: "loader attribute 'secure' cannot be specified when
# firmware autoselection is enabled".
SYSTEM = 'trixie'
# On Nova's the graphics adapter comes after the serial port, and the guest's
# shell takes what is last.
COMMAND_LINE = 'console=ttyS0 no_timer_check'
# Firmware takes its time when each instruction is emulated.
PATIENCE = 600
VARIABLE = '/sys/firmware/efi/efivars/{}-6e6f7661-626c-4f63-8b6d-696700000001'
# Kept without power, and there for firmware and operating system.
ATTRIBUTES = r'\007\000\000\000'

# Keys in the memory of nova-compute. With the policy "host" Nova asks for a
# key once, to make it, and finds it in libvirt from then on.
KEYS = 'castellan.tests.unit.key_manager.mock_key_manager.MockKeyManager'
TPM = {
    'libvirt': {'swtpm_enabled': 'true'},
    'key_manager': {'backend': KEYS},
}
PCR = '/sys/class/tpm/tpm0/pcr-sha256/16'
# TPM2_PCR_Extend of PCR 16, which is for debugging, without a password: TCG's
# TPM 2.0 Library, Part 3, 22.2.
EXTEND = ''.join(
    rf'\x{byte:02x}'
    for byte in bytes.fromhex(
        '8002 00000041 00000182 00000010 00000009 40000009 0000 00 0000'
        '00000001 000b' + 'b1' * 32
    )
)


class FirmwareTest(disk_path.DiskPathTestCase):
    """The variables of UEFI firmware, "NVRAM"."""

    def setUp(self) -> None:
        super().setUp()
        self.use(systems=dict.fromkeys(base.HOSTS, SYSTEM))
        self.upload(
            'uefi', 'qcow2', self.lab.guest_image.disk,
            os_type='linux', hw_rng_model='virtio', hw_firmware_type='uefi',
            os_command_line=COMMAND_LINE,
            **self.kernel_images(),
        )  # fmt: skip

    def nvram(self, instance: Any) -> pathlib.Path:
        """The file of the guest's variables, on its present host."""
        said = instance.host.run(['virsh', 'dumpxml', instance.id])
        found = ElementTree.fromstring(said)  # noqa: S314 - libvirt's
        path = found.findtext('os/nvram')
        assert path, said
        return self.on(instance.host_name, pathlib.Path(path))

    def on(self, host: str, path: pathlib.Path) -> pathlib.Path:
        """A file of libvirt's on a host, seen from this machine."""
        own = self.lab.layout.host(host).directory / 'libvirt' / 'lib'
        return own / path.relative_to('/var/lib/libvirt')

    def write(self, instance: Any, name: str, value: str) -> None:
        """Let the guest keep a new variable."""
        variable = VARIABLE.format(name)
        reply = instance.run(
            'grep -q efivarfs /proc/mounts || '
            'mount -t efivarfs efivarfs /sys/firmware/efi/efivars && '
            f"printf '{ATTRIBUTES}{value}' >{variable}",
            PATIENCE,
        )
        self.assertEqual((0, ''), (reply.status, reply.output))

    def read(self, instance: Any, name: str) -> str:
        """What the guest finds in a variable."""
        reply = instance.run(
            'grep -q efivarfs /proc/mounts || '
            'mount -t efivarfs efivarfs /sys/firmware/efi/efivars; '
            f'tail -c +5 {VARIABLE.format(name)}',
            PATIENCE,
        )
        return str(reply.output)

    def boot_uefi(self) -> Any:
        instance = self.boot(FLAVOR, image='uefi')
        scenario.writing(instance, timeout=PATIENCE)
        return instance

    def reboot(self, instance: Any) -> None:
        """Start it again from what its host has."""
        self.lab.cloud.compute.reboot_server(instance.id, 'HARD')
        instance.wait_for_status('ACTIVE', PATIENCE)
        seen = scenario.writing(instance, timeout=PATIENCE)
        self.assertTrue(seen.sound, seen)

    def move_with_variables(self, instance: Any) -> None:
        """Move it while paused; all that it has is the same afterwards."""
        before = instance.pause_and_hash()
        variables = digest(self.nvram(instance))
        self.move(instance)
        self.assert_same(before, instance.hash())
        instance.unpause()
        deadline = time.monotonic() + 60
        while digest(self.nvram(instance)) != variables:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)

    def test_variables_go_there_and_back(self) -> None:
        instance = self.boot_uefi()
        template = digest(self.nvram(instance))
        self.write(instance, 'First', 'one')
        self.assertNotEqual(template, digest(self.nvram(instance)))
        left = self.nvram(instance)
        self.move_with_variables(instance)
        self.assertNotEqual(left, self.nvram(instance))
        self.reboot(instance)
        self.assertEqual('one', self.read(instance, 'First'))
        # An older file of the first stay must not win.
        self.write(instance, 'Second', 'two')
        self.move_with_variables(instance)
        self.assertEqual(left, self.nvram(instance))
        self.reboot(instance)
        self.assertEqual('two', self.read(instance, 'Second'))
        self.assertEqual('one', self.read(instance, 'First'))

    def test_a_guest_that_writes_moves_with_its_variables(self) -> None:
        instance = self.boot_uefi()
        self.write(instance, 'First', 'one')
        before = instance.guest()
        self.move(instance)
        seen = instance.wait_for_checks(before, PATIENCE)
        self.assertTrue(seen.sound, seen)
        self.assertEqual('one', self.read(instance, 'First'))

    def test_a_paused_guest_does_not_move_twice(self) -> None:
        """Without config drive: the firmware alone is what QEMU dies of."""
        instance = self.boot(
            FLAVOR, image='uefi', config_drive=False, network=False
        )
        before = instance.pause_and_hash()
        self.move(instance)
        known = upgrade.versions(self.lab, instance.host_name)
        if int(known.qemu.partition('.')[0]) < 10:
            self.assert_refused(
                instance, 'has not been resumed', 'UEFI firmware'
            )
            instance.unpause()
            before = instance.pause_and_hash()
        self.move(instance)
        self.assert_same(before, instance.hash())


class TpmTest(disk_path.DiskPathTestCase):
    """An emulated TPM, by who may read the key of its state."""

    def setUp(self) -> None:
        super().setUp()
        self.use(extra=dict.fromkeys(base.HOSTS, TPM))

    def boot_with_tpm(self, security: str, **options: Any) -> Any:
        compute = self.lab.cloud.compute
        flavor = FLAVOR.ensure(self.lab, f'tpm-{security}')
        compute.create_flavor_extra_specs(
            flavor,
            {
                'hw:tpm_version': '2.0',
                'hw:tpm_model': 'tpm-crb',
                'hw:tpm_secret_security': security,
            },
        )
        self.addCleanup(compute.delete_flavor, flavor.id)
        instance = self.boot(flavor, **options)
        scenario.writing(instance, timeout=PATIENCE)
        return instance

    def pcr(self, instance: Any) -> str:
        reply = instance.run(f'cat {PCR}', PATIENCE)
        self.assertEqual(0, reply.status, reply.output)
        return str(reply.output)

    def test_with_the_policy_host_it_moves(self) -> None:
        instance = self.boot_with_tpm('host')
        empty = self.pcr(instance)
        reply = instance.run(
            f"printf '{EXTEND}' >/tmp/extend && "
            'dd if=/tmp/extend of=/dev/tpm0 bs=65 count=1',
            PATIENCE,
        )
        self.assertEqual(0, reply.status, reply.output)
        extended = self.pcr(instance)
        self.assertNotEqual(empty, extended)
        for _there_and_back in range(2):
            before = instance.pause_and_hash()
            self.move(instance)
            self.assert_same(before, instance.hash())
            instance.unpause()
            self.assertEqual(extended, self.pcr(instance))
        # The key is here as well, or it would not start.
        self.lab.cloud.compute.reboot_server(instance.id, 'HARD')
        instance.wait_for_status('ACTIVE', PATIENCE)
        scenario.writing(instance, timeout=PATIENCE)
        self.assertEqual(empty, self.pcr(instance))

    def test_with_the_policy_user_nothing_is_touched(self) -> None:
        images = self.lab.cloud.image
        lost = glance.create(
            self.lab.cloud, 'tpm-lost', self.lab.guest_image.disk
        )
        instance = self.boot_with_tpm('user', image=lost.id)
        # So a migration would have to flatten its root disk.
        images.delete_image(lost.id)
        before = instance.pause_and_hash()
        self.assertTrue(before['disk'].backing)
        with self.nothing_left_on(self.other(instance.host_name)):
            refused = self.assertRaises(
                errors.CommandFailed,
                instance.migrate,
                self.other(instance.host_name),
            )
        self.assertIn('TPM', str(refused))
        self.assertEqual(before, instance.hash())


def digest(file: pathlib.Path) -> str:
    """What a file of variables holds, in short."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
