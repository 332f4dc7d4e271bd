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

from nova_blockmig.core import annotation
from nova_blockmig.core import arriving
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.tests.unit import base

MIB = 1 << 20
GIB = 1 << 30
IMAGE_BASE = 'da' * 20
FLAVOR = arriving.Flavor.of(root_gb=20, ephemeral_gb=8, swap_mb=512)


def info(**kwargs):
    return {
        'path': '/var/lib/nova/instances/x/disk',
        'type': 'qcow2',
        'virt_disk_size': GIB,
        'backing_file': IMAGE_BASE,
        **kwargs,
    }


class ReadTest(base.TestCase):
    def refused(self, raw):
        return str(self.assertRaises(errors.DiskRefused, arriving.read, raw))

    def test_what_nova_sends(self):
        self.assertEqual(
            arriving.Announced('disk', GIB, IMAGE_BASE, None),
            arriving.read(info()),
        )
        for backing_file in ('', None):
            disk = arriving.read(info(backing_file=backing_file))
            self.assertEqual('', disk.backing_file)

    def test_the_names_of_nova_s_disks(self):
        for name in (
            'disk',
            'disk.local',
            'disk.eph0',
            'disk.eph12',
            'disk.swap',
            'disk.config',
        ):
            self.assertEqual(name, arriving.read(info(path=f'/x/{name}')).name)

    def test_any_other_name(self):
        for path in (
            '',
            '/x/',
            '/x/..',
            '/x/.',
            '/x/console.log',
            '/x/disk.info',
            '/x/libvirt.xml',
            '/x/disk.eph0\n',
            '/x/disk.eph٣',
            '/x/disk.eph0/../../etc/x',
            '-f',
            'x' * 5000,
        ):
            self.assertLess(len(self.refused(info(path=path))), 200)

    def test_no_disk_at_all(self):
        for raw in (None, 5, [], 'disk', {}, info(path=None), info(path=5)):
            self.refused(raw)

    def test_two_formats_only(self):
        for disk_format in ('vmdk', '-h', '', None, 5, ['raw'], {}):
            self.assertIn('format', self.refused(info(type=disk_format)))

    def test_sizes(self):
        for size in (-1, 2**63, '7', None, True, 1.5, [], 'needs'):
            self.assertIn('size', self.refused(info(virt_disk_size=size)))

    def test_backing_files(self):
        for name in (5, ['x'], {'x': 1}):
            self.refused(info(backing_file=name))
        disk = arriving.read(info(backing_file='/elsewhere/base'))
        self.assertEqual('base', disk.backing_file)

    def test_the_true_size_of_an_inline_disk(self):
        note = annotation.DiskAnnotation(
            model.TransferMethod.INLINE,
            sealed=annotation.Sealed(bytes(33), bytes(33), b'x'),
            virtual_bytes=7,
        )
        raw = info(virt_disk_size=annotation.NEEDS_BLOCKMIG)
        raw[annotation.KEY] = note.to_json(2)
        self.assertEqual(7, arriving.read(raw).virtual_bytes)

    def test_a_malformed_annotation(self):
        raw = info(**{annotation.KEY: 'x'})
        exc = self.assertRaises(errors.PayloadRefused, arriving.read, raw)
        self.assertIn('disk', str(exc))


class ExactTest(base.TestCase):
    def check(self, image_base=IMAGE_BASE, iso_image=False, **kwargs):
        arriving.assert_exact(
            arriving.read(info(**kwargs)), 'server2', image_base, iso_image
        )

    def refused(self, error, **kwargs):
        message = str(self.assertRaises(error, self.check, **kwargs))
        self.assertIn('server2', message)
        self.assertIn('install nova-blockmig', message)

    def test_the_image_of_the_instance(self):
        self.check()
        self.check(iso_image=True)

    def test_a_disk_that_is_copied_whole(self):
        for name in ('disk', 'disk.local', 'disk.eph0', 'disk.swap'):
            for disk_format in ('raw', 'qcow2'):
                self.check(
                    path=f'/x/{name}', type=disk_format, backing_file=''
                )

    def test_a_config_drive(self):
        self.refused(
            errors.InTreeSource,
            path='/x/disk.config',
            type='raw',
            backing_file='',
        )

    def test_what_the_source_made(self):
        for name in ('ephemeral_1_40d1d2c', 'swap_512'):
            self.refused(errors.InTreeSource, backing_file=name)

    def test_another_image(self):
        self.refused(errors.UnknownBase, backing_file='5f' * 20)
        self.refused(errors.UnknownBase, backing_file=f'{IMAGE_BASE}_20')

    def test_an_instance_without_image(self):
        self.refused(errors.UnknownBase, image_base=None)

    def test_a_read_only_root_disk_that_nobody_copies(self):
        self.refused(
            errors.InTreeSource, type='raw', backing_file='', iso_image=True
        )


class InlineSizesTest(base.TestCase):
    def check(self, limit=4 * MIB, **sizes):
        arriving.assert_inline_sizes(
            {name.replace('_', '.'): size for name, size in sizes.items()},
            FLAVOR,
            limit,
        )

    def refused(self, *names, **kwargs):
        message = str(
            self.assertRaises(errors.DiskRefused, self.check, **kwargs)
        )
        for name in names:
            self.assertIn(name, message)

    def test_each_disk_has_its_share_of_the_flavor(self):
        for name, most in (
            ('disk', 20 * GIB),
            ('disk_eph0', 8 * GIB),
            ('disk_local', 8 * GIB),
            ('disk_swap', 512 * MIB),
            ('disk_config', 64 * MIB),
        ):
            self.check(**{name: (most, 1)})
            self.refused(
                name.replace('_', '.'), str(most), **{name: (most + 1, 1)}
            )

    def test_a_larger_limit_allows_larger_config_drives(self):
        self.check(limit=16 * MIB, disk_config=(256 * MIB, 1))
        self.check(limit=0, disk_config=(64 * MIB, 0))

    def test_all_together(self):
        self.check(disk_eph0=(GIB, 3 * MIB), disk_eph1=(GIB, MIB))
        self.refused(
            'disk.eph0',
            'disk.eph1',
            str(4 * MIB + 1),
            disk_eph0=(GIB, 3 * MIB),
            disk_eph1=(GIB, MIB + 1),
        )
