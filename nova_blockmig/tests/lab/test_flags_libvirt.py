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


"""What libvirt itself says to each list of flags that we refuse.

Runs on the two libvirtd of a lab that is up, beside Nova's instances. The
guest boots two instructions and halts: nothing writes, so its disk can be
compared while it runs.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import time

import fixtures
import libvirt
import testtools

from blocklab import lab as labs
from nova_blockmig.compute import flags as compute_flags
from nova_blockmig.core import flags

NAME = 'flags-probe'
KNOWN = compute_flags.known(libvirt)
NOVA = 'LIVE PEER2PEER PERSIST_DEST UNDEFINE_SOURCE NON_SHARED_INC'
HALT = b'\xfb\xf4\xeb\xfd'
MIB = 1 << 20
PORT = 10899
DISK = """
<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2' cache='none'/>
  <source file='/var/lib/nova/instances/{name}/disk'/>
  <target dev='vda' bus='virtio'/>
</disk>"""
VOLUME = """
<disk type='network' device='disk'>
  <driver name='qemu' type='raw' cache='none'/>
  <source protocol='nbd' name=''>
    <host name='{address}' port='{port}'/>
  </source>
  <target dev='vdb' bus='virtio'/>
</disk>"""
DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>{disks}<memballoon model='none'/></devices>
</domain>"""


def words(text):
    return [f'VIR_MIGRATE_{word}' for word in text.split()]


def bits(text):
    return sum(KNOWN[name] for name in words(text))


def without(*names):
    return ' '.join(word for word in NOVA.split() if word not in names)


def image(*arguments):
    return subprocess.run(
        ['qemu-img', *map(str, arguments)], check=True, capture_output=True
    ).stdout


class Probe(fixtures.Fixture):
    """The guest, its disks on both hosts, and how it is migrated."""

    def _setUp(self):  # noqa: N802
        self.lab = labs.Lab()
        self.lab.require_up()
        self.hosts = [self.lab.host(n) for n in ('server2', 'server-01')]
        self.links = []
        libvirt.registerErrorHandler(lambda *_: None, None)
        for host in self.hosts:
            with host.network():
                uri = f'qemu+tcp://{host.layout.address}/system'
                self.links.append(libvirt.open(uri))
        self.folders = [h.layout.instances / NAME for h in self.hosts]
        self.addCleanup(self._clean)
        self._clean()
        base = bytearray(os.urandom(2 * MIB))
        base[:512] = HALT.ljust(510, b'\0') + b'\x55\xaa'
        for folder in self.folders:
            folder.mkdir(parents=True)
            (folder / 'base').write_bytes(base)
            os.truncate(folder / 'base', 64 * MIB)

    def _clean(self):
        self._undefine()
        for folder in self.folders:
            for file in folder.glob('*'):
                file.unlink()
            if folder.exists():
                folder.rmdir()

    def _undefine(self):
        for link in self.links:
            with contextlib.suppress(libvirt.libvirtError):
                link.lookupByName(NAME).destroy()
            with contextlib.suppress(libvirt.libvirtError):
                link.lookupByName(NAME).undefine()

    def _disks(self, alone):
        for folder in self.folders:
            (folder / 'disk').unlink(missing_ok=True)
            base = folder / 'base'
            arguments = ['create', '-q', '-f', 'qcow2']
            if folder == self.folders[0] or not alone:
                arguments += ['-b', str(base), '-F', 'raw']
            image(*arguments, folder / 'disk', '64M')
        written = self.folders[0] / 'written'
        written.write_bytes(os.urandom(MIB))
        subprocess.run(
            ['qemu-io', '-f', 'qcow2', '-c', f'write -q -s {written} 8M 1M',
             str(self.folders[0] / 'disk')],
            check=True,
        )  # fmt: skip
        self.digest = self._read(self.folders[0])
        for folder in self.folders:
            if self._base(folder):
                seen = f'/var/lib/nova/instances/{NAME}/base'
                image('rebase', '-u', '-F', 'raw', '-b', seen, folder / 'disk')

    def _base(self, folder):
        info = image('info', '-U', '--output=json', folder / 'disk')
        return json.loads(info).get('backing-filename')

    def _read(self, folder):
        """The digest of what a guest reads of the disk in this folder."""
        if self._base(folder):
            image('rebase', '-u', '-F', 'raw', '-b', folder / 'base',
                  folder / 'disk')  # fmt: skip
        image('convert', '-O', 'raw', folder / 'disk', folder / 'raw')
        return hashlib.sha256((folder / 'raw').read_bytes()).hexdigest()

    def migrate(self, text, listed=True, disks=DISK, alone=False):
        """One migration; what libvirt said, and what became of the guest.

        :param text: the flags.
        :param listed: name the disk that is to be copied.
        :param alone: the destination's disk has no base.
        """
        self._undefine()
        self._disks(alone)
        xml = DOMAIN.format(name=NAME, disks=disks.format(name=NAME))
        domain = self.links[0].defineXML(xml)
        domain.create()
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        params = {'destination_xml': xml, 'persistent_xml': xml}
        if listed:
            params['migrate_disks'] = ['vda']
        uri = f'qemu+tcp://{self.hosts[1].layout.address}/system'
        said = ''
        try:
            domain.migrateToURI3(uri, params, bits(text))
        except libvirt.libvirtError as e:
            said = e.get_error_message()
        states = [self._state(link) for link in self.links]
        identical = None
        if states[1] in ('running', 'paused', 'transient'):
            self.links[1].lookupByName(NAME).destroy()
            if 'vda' in disks:
                identical = self._read(self.folders[1]) == self.digest
        return said, *states, identical

    def _state(self, link):
        try:
            domain = link.lookupByName(NAME)
        except libvirt.libvirtError:
            return 'none'
        if not domain.isPersistent():
            return 'transient'
        return {
            libvirt.VIR_DOMAIN_RUNNING: 'running',
            libvirt.VIR_DOMAIN_PAUSED: 'paused',
            libvirt.VIR_DOMAIN_SHUTOFF: 'shut off',
        }[domain.state()[0]]


MOVED = ('', 'none', 'running', True)
STAYED = ('running', 'none', None)


class TestFlags(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.probe = self.useFixture(Probe())

    def assert_refused_by_us(self, text, computed=NOVA):
        """The part of the list that an operator would write."""
        versions = flags.Versions(
            self.probe.links[0].getLibVersion(),
            self.probe.links[0].getVersion(),
        )
        self.assertRaises(
            flags.InvalidFlags,
            flags.effective,
            words(text),
            KNOWN,
            bits(computed),
            versions,
        )

    def assert_says(self, pattern, text, **kwargs):
        """libvirt refuses, and the guest stays where it is."""
        said, *rest = self.probe.migrate(text, **kwargs)
        self.assertThat(said, testtools.matchers.MatchesRegex(
            f'.*(?:{pattern})'))  # fmt: skip
        self.assertEqual(STAYED, tuple(rest))

    def test_novas_flags(self):
        self.assertEqual(MOVED, self.probe.migrate(NOVA))

    def test_the_list_of_2012_as_we_run_it(self):
        names = words('UNDEFINE_SOURCE PEER2PEER NON_SHARED_INC')
        used = flags.effective(
            names, KNOWN, bits(NOVA), flags.Versions(9000000, 7002000)
        )
        self.assertEqual(bits(without('LIVE')), used)
        self.assertEqual(MOVED, self.probe.migrate(without('LIVE')))

    def test_the_list_of_2012_as_it_is(self):
        text = without('LIVE', 'PERSIST_DEST')
        self.assertEqual(
            ('', 'none', 'transient', True), self.probe.migrate(text)
        )

    def test_full_copy(self):
        text = f'{without("NON_SHARED_INC")} NON_SHARED_DISK'
        self.assertEqual(MOVED, self.probe.migrate(text, alone=True))

    def test_allowed_flags(self):
        for flag in (
            'CHANGE_PROTECTION',
            'COMPRESSED',
            'ABORT_ON_ERROR',
            'NON_SHARED_SYNCHRONOUS_WRITES',
        ):
            for text in (NOVA, without('LIVE')):
                self.assertEqual(MOVED, self.probe.migrate(f'{text} {flag}'))

    def test_missing_flags(self):
        text = without('PEER2PEER')
        self.assert_refused_by_us(text)
        self.assert_says('direct migration is not supported', text)
        text = without('UNDEFINE_SOURCE')
        self.assert_refused_by_us(text)
        self.assertEqual(
            ('', 'shut off', 'running', True), self.probe.migrate(text)
        )

    def test_no_copy(self):
        text = without('NON_SHARED_INC')
        self.assert_refused_by_us(text)
        self.assert_says('Migration without shared storage is unsafe', text)

    def test_no_copy_and_unsafe_loses_the_disk(self):
        text = f'{without("NON_SHARED_INC")} UNSAFE'
        self.assert_refused_by_us(f'{NOVA} UNSAFE')
        self.assertEqual(
            ('', 'none', 'running', False),
            self.probe.migrate(text, listed=False),
        )

    def test_incremental_copy_without_the_base_loses_the_disk(self):
        self.assertEqual(
            ('', 'none', 'running', False),
            self.probe.migrate(NOVA, alone=True),
        )

    def test_both_copies(self):
        text = f'{NOVA} NON_SHARED_DISK'
        self.assert_refused_by_us(text)
        self.assert_says('Flags .* are mutually exclusive', text)

    def test_tunnelled(self):
        text = f'{NOVA} TUNNELLED'
        self.assert_refused_by_us(text)
        self.assert_refused_by_us(NOVA, computed=text)
        self.assert_says(
            "argument key 'host' must not have null value|"
            'migration of non-shared storage is not supported with tunnelled',
            text,
            listed=False,
        )

    def test_paused(self):
        text = f'{NOVA} PAUSED'
        self.assert_refused_by_us(text)
        self.assertEqual(
            ('', 'none', 'paused', True), self.probe.migrate(text)
        )

    def test_offline(self):
        text = f'{NOVA} OFFLINE'
        self.assert_refused_by_us(text)
        self.assert_says('offline migration cannot handle non-shared', text)

    def test_offline_without_a_copy_leaves_the_guest(self):
        text = f'{without("NON_SHARED_INC")} OFFLINE'
        self.assertEqual(
            ('', 'running', 'shut off', None),
            self.probe.migrate(text, listed=False),
        )

    def test_rdma_is_ignored(self):
        text = f'{NOVA} RDMA_PIN_ALL'
        self.assert_refused_by_us(text)
        self.assertEqual(MOVED, self.probe.migrate(text))

    def test_post_copy_resume(self):
        text = f'{NOVA} POSTCOPY_RESUME'
        self.assert_refused_by_us(text)
        self.assert_says('resuming failed post-copy migration', text)

    def test_post_copy_without_live(self):
        text = f'{without("LIVE")} POSTCOPY'
        self.assert_refused_by_us(text, computed=f'{NOVA} POSTCOPY')
        self.assert_says('post-copy migration is not supported', text)

    def test_zero_copy_without_parallel(self):
        text = f'{NOVA} ZEROCOPY'
        self.assert_refused_by_us(text)
        self.assert_says('zero-copy is only available for parallel', text)

    def test_synchronous_writes_without_a_copy(self):
        text = without('NON_SHARED_INC')
        text += ' NON_SHARED_SYNCHRONOUS_WRITES'
        self.assert_says('Flag .* is required by flag', text)


class TestVolume(testtools.TestCase):
    """A guest whose only disk is a volume that both hosts reach."""

    def setUp(self):
        super().setUp()
        self.probe = self.useFixture(Probe())
        host = self.probe.hosts[0]
        self.volume = self.probe.folders[0] / 'volume'
        self.volume.write_bytes(
            (HALT.ljust(510, b'\0') + b'\x55\xaa').ljust(8 * MIB, b'\x01')
        )
        server = host.popen(
            ['qemu-nbd', '--format=raw', '--shared=8', '--persistent',
             f'--bind={host.layout.address}', f'--port={PORT}',
             f'/var/lib/nova/instances/{NAME}/volume'],
        )  # fmt: skip
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self._wait(host)
        self.disks = VOLUME.format(address=host.layout.address, port=PORT)

    def _wait(self, host):
        for _ in range(100):
            with contextlib.suppress(OSError):
                host.connect(PORT).close()
                return
            time.sleep(0.1)
        self.fail('qemu-nbd does not answer')

    def written(self, text):
        """Whether a migration writes the volume."""
        os.utime(self.volume, (0, 0))
        said, source, there, _ = self.probe.migrate(
            text, listed=False, disks=self.disks
        )
        self.assertEqual(('', 'none', 'running'), (said, source, there))
        return self.volume.stat().st_mtime != 0

    def test_full_copy_writes_it(self):
        text = f'{without("NON_SHARED_INC")} NON_SHARED_DISK'
        self.assertTrue(self.written(text))

    def test_what_we_leave_of_the_flags_does_not(self):
        text = without('NON_SHARED_INC')
        copied = f'{text} NON_SHARED_DISK NON_SHARED_SYNCHRONOUS_WRITES'
        left = bits(copied) & ~flags.copying(KNOWN)
        self.assertEqual(bits(text), left)
        self.assertFalse(self.written(text))
