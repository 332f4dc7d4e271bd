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

"""The disks that the destination makes before the copy."""

import os
from unittest import mock

import fixtures
from nova import exception

from nova_blockmig.compute import destination
from nova_blockmig.compute import directory
from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import model
from nova_blockmig.host import sealing
from nova_blockmig.tests.unit.compute import destination_case


class PrepareTest(destination_case.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.instance_dir)

    def info(self, name, note=None, version=2, **kwargs):
        values = {
            'path': f'/var/lib/nova/instances/{destination_case.UUID}/{name}',
            'type': 'raw',
            'virt_disk_size': 1 << 20,
            'backing_file': '',
            **kwargs,
        }
        if note is not None:
            values[annotation.KEY] = note.to_json(version)
        return values

    def inline(self, name, data=b'x' * 100, size=100, version=2, **kwargs):
        """As the source sends it."""
        packed = content.pack([(0, data)], len(data), limit=1 << 30)
        if version == 1:
            note = annotation.DiskAnnotation(
                model.TransferMethod.INLINE, packed=packed
            )
            return self.info(
                name, note, version, **{'virt_disk_size': size, **kwargs}
            )
        keys = sealing.KeyPair()
        recipient = self.destination._keys.public_key
        note = annotation.DiskAnnotation(
            model.TransferMethod.INLINE,
            sealed=annotation.Sealed(
                recipient,
                keys.public_key,
                keys.seal(
                    recipient,
                    sealing.Context(destination_case.UUID, name),
                    packed.to_bytes(),
                ),
            ),
            virtual_bytes=size,
        )
        return self.info(
            name, note, virt_disk_size=annotation.NEEDS_BLOCKMIG, **kwargs
        )

    def made(self):
        """What is in the directory beside the mark."""
        return [
            name
            for name in os.listdir(self.instance_dir)
            if name != directory.MARK
        ]

    def prepare(self, *infos, source='server2'):
        return self.destination.prepare(
            self.instance, self.instance_dir, list(infos), source
        )

    def refused(self, *infos):
        exc = self.assertRaises(exception.MigrationError, self.prepare, *infos)
        return str(exc)

    def test_hard_reboot_is_nova_s_alone(self):
        info = self.info('disk', backing_file='ephemeral_1_40d1d2c')
        prepared = self.prepare(info, source=None)
        self.assertEqual([info], prepared.disk_info)
        self.assertEqual((None,), prepared.notes)

    def test_no_disk_at_all(self):
        for source in ('server2', None):
            prepared = self.destination.prepare(
                self.instance, self.instance_dir, None, source
            )
            self.assertEqual([], prepared.disk_info)

    def test_inline_content_is_on_the_disk(self):
        for version in (1, 2):
            name = f'disk.eph{version}'
            self.prepare(self.inline(name, version=version))
            path = os.path.join(self.instance_dir, name)
            with open(path, 'rb') as file:
                self.assertEqual(b'x' * 100, file.read())
            self.assertEqual(0o644, os.stat(path).st_mode & 0o777)

    def test_a_disk_larger_than_its_base(self):
        self.prepare(self.inline('disk.eph0', size=1 << 20))
        path = os.path.join(self.instance_dir, 'disk.eph0')
        self.assertEqual(1 << 20, os.path.getsize(path))

    def test_a_disk_smaller_than_its_content(self):
        message = self.refused(self.inline('disk.eph0', size=99))
        self.assertIn('disk.eph0', message)
        self.assertEqual([], self.made())

    def test_an_inline_disk_has_its_size_and_no_base_for_nova(self):
        for version in (1, 2):
            (info,) = self.prepare(
                self.inline(
                    f'disk.eph{version}',
                    version=version,
                    backing_file='ephemeral_1_x',
                )
            ).disk_info
            self.assertEqual('', info['backing_file'])
            self.assertEqual(100, info['virt_disk_size'])

    def test_copied_disk_stands_alone(self):
        (info,) = self.prepare(
            self.info(
                'disk',
                annotation.DiskAnnotation(model.TransferMethod.COPY),
                backing_file='flattened',
            )
        ).disk_info
        self.assertEqual('', info['backing_file'])

    def fetched(self, base):
        note = annotation.DiskAnnotation(
            model.TransferMethod.FETCH, digest='0' * 64
        )
        return self.info('disk', note, backing_file=base)

    def test_fetched_disk_is_left_to_nova(self):
        info = self.fetched(destination_case.IMAGE_BASE)
        self.assertEqual([info], self.prepare(info).disk_info)

    def test_nothing_is_fetched_into_another_name(self):
        self.assertIn('f00', self.refused(self.fetched('f00')))

    def test_altered_content_leaves_nothing(self):
        for field in ('content', 'sealed'):
            version = 1 if field == 'content' else 2
            info = self.inline('disk.config', version=version)
            data = info[annotation.KEY][field]['data']
            info[annotation.KEY][field]['data'] = 'AAAA' + data[4:]
            message = self.refused(info)
            self.assertIn('disk.config', message)
            self.assertIn('message bus', message)
            self.assertEqual([], self.made())

    def test_content_of_another_disk(self):
        info = self.inline('disk.eph0')
        message = self.refused({**info, 'path': '/x/disk.eph1'})
        self.assertIn('decrypted', message)

    def test_nova_compute_was_restarted_since_the_check(self):
        info = self.inline('disk.config')
        self.destination = destination.Destination(self.driver, model.Policy())
        message = self.refused(info)
        self.assertIn('restarted', message)
        self.assertIn('try again', message)

    def test_nothing_is_made_unless_every_disk_is_accepted(self):
        self.refused(
            self.inline('disk.eph0'),
            self.info('disk.swap', backing_file='swap_512'),
        )
        self.assertEqual([], self.made())

    def test_a_disk_that_is_there_twice(self):
        self.assertIn(
            'twice',
            self.refused(self.info('disk'), self.info('disk')),
        )

    def test_this_host_has_limits_of_its_own(self):
        self.refused(self.inline('disk.eph0', os.urandom((1 << 20) + 1)))
        self.refused(self.inline('disk.eph0', size=(64 << 20) + 1))
        self.instance.flavor.ephemeral_gb = 1
        self.prepare(self.inline('disk.eph0', size=1 << 30))

    def test_disk_that_exists_is_left_alone(self):
        path = self.write(f'{destination_case.UUID}/disk.config', b'mine')
        message = self.refused(self.inline('disk.config'))
        self.assertIn('cannot create', message)
        with open(path, 'rb') as file:
            self.assertEqual(b'mine', file.read())

    def test_no_space(self):
        full = OSError(28, 'No space left on device')
        self.useFixture(
            fixtures.MockPatch('os.pwrite', mock.Mock(side_effect=full))
        )
        message = self.refused(self.inline('disk.config'))
        self.assertIn('No space left', message)
        self.assertIn('cannot create', message)
        self.assertNotIn('bus', message)
        self.assertEqual([], self.made())

    def test_in_tree_source_that_slipped_through(self):
        for info in (
            self.info('disk.swap', backing_file='swap_512'),
            self.info('disk.config'),
            self.info('disk', backing_file='5f' * 20),
        ):
            self.assertIn('server2', self.refused(info))

    def test_what_an_in_tree_source_moves_exactly(self):
        infos = [
            self.info(
                'disk', type='qcow2', backing_file=destination_case.IMAGE_BASE
            ),
            self.info('disk.eph0', backing_file=None),
        ]
        prepared = self.prepare(*infos)
        self.assertEqual(infos, prepared.disk_info)
        self.assertEqual((None, None), prepared.notes)

    def test_an_iso_image_that_an_in_tree_source_keeps_raw(self):
        self.prepare(self.info('disk'))
        self.instance.system_metadata = {'image_disk_format': 'iso'}
        self.refused(self.info('disk'))
