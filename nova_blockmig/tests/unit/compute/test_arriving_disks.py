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

"""What the destination does with a disk info that nobody meant to send."""

import json
import os
import random
import shutil
import tracemalloc

import fixtures
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from nova import exception
import nova.conf
from nova.objects import migrate_data
from nova.virt.libvirt import imagecache
from oslo_config import fixture as config_fixture

from nova_blockmig.compute import destination
from nova_blockmig.compute import directory
from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import model
from nova_blockmig.host import sealing
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

UUID = '3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b'
IMAGE = 'c5a6b1b4-3f5c-4f57-a7ae-6d4b8a0b9c11'
MIB = 1 << 20
MOST = 64 * MIB
NAMES = {'disk', 'disk.config', 'disk.eph0', 'disk.swap', 'disk.local'}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            *('/etc/passwd', '..', 'disk.swap', 'console.log', 'vmdk', 'raw'),
            *('inline', 'carry', 'copy', 'fetch', 'ephemeral_1_40d1d2c'),
            *('AAAA', 'ff' * 33, 1, 2, 7, 2**62, 'needs-nova-blockmig'),
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


class Case(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(instances_path=self.path)
        self.instance_dir = os.path.join(self.path, UUID)
        os.mkdir(self.instance_dir)
        self.instance = nova_objects.instance(uuid=UUID, image_ref=IMAGE)
        self.useFixture(
            fixtures.MockPatch(
                'nova.virt.images.convert_image',
                lambda source, target, *formats: shutil.copy(source, target),
            )
        )
        self.destination = destination.Destination(
            nova_objects.driver(), model.Policy(max_inline_bytes=MIB)
        )

    def prepare(self, infos):
        return self.destination.prepare(
            self.instance, self.instance_dir, infos, 'server2'
        )

    def made(self):
        """Size of each file that is there, anywhere, but for the mark."""
        return {
            os.path.relpath(
                os.path.join(folder, name), self.instance_dir
            ): os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(self.path)
            for name in names
            if name != directory.MARK
        }

    def clean(self):
        shutil.rmtree(self.instance_dir)
        os.mkdir(self.instance_dir)

    def packed(self, data, limit=1 << 30):
        return content.pack([(0, data)], len(data), limit=limit)

    def inline(self, name, packed, version=2, size=None):
        info = {
            'path': f'/srv/{UUID}/{name}',
            'type': 'raw',
            'virt_disk_size': size or packed.length,
            'backing_file': '',
            'disk_size': 4096,
            'over_committed_disk_size': 0,
        }
        note = annotation.DiskAnnotation(
            model.TransferMethod.INLINE, packed=packed
        )
        if version == 2:
            keys = sealing.KeyPair()
            recipient = self.destination._keys.public_key
            context = sealing.Context(UUID, name)
            data = keys.seal(recipient, context, packed.to_bytes())
            note = annotation.DiskAnnotation(
                model.TransferMethod.INLINE,
                sealed=annotation.Sealed(recipient, keys.public_key, data),
                virtual_bytes=info['virt_disk_size'],
            )
            info['virt_disk_size'] = annotation.NEEDS_BLOCKMIG
        return {**info, annotation.KEY: note.to_json(version)}

    def valid(self):
        """A disk info with everything in it that there is."""
        note = annotation.DiskAnnotation(
            model.TransferMethod.FETCH, digest='da' * 32
        )
        return [
            {
                **self.inline('disk', self.packed(b'x')),
                'type': 'qcow2',
                'virt_disk_size': MIB,
                'backing_file': imagecache.get_cache_fname(IMAGE),
                annotation.KEY: note.to_json(2),
            },
            self.inline('disk.eph0', self.packed(b'ephemeral'), size=MIB),
            self.inline('disk.swap', self.packed(b'swap'), version=1),
            self.inline('disk.config', self.packed(b'config')),
        ]


def places(value, path=()):
    """Every place in a JSON value, as the keys that lead there."""
    yield path
    items = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    """A copy of a JSON value, with another one at a place."""
    if not path:
        return new
    value = value.copy()
    value[path[0]] = replaced(value[path[0]], path[1:], new)
    return value


class FuzzTest(Case):
    def assert_nothing_but_refused(self, infos):
        try:
            self.prepare(infos)
        except exception.MigrationError as exc:
            self.assertLess(len(str(exc)), 1000)
        made = self.made()
        self.assertLessEqual(set(made), NAMES)
        self.assertLessEqual(max(made.values(), default=0), MOST)
        self.clean()

    @settings(max_examples=base.examples(100))
    @given(st.data())
    def test_any_field_may_hold_anything(self, data):
        infos = self.valid()
        for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
            at = [path for path in places(infos) if path]
            path = data.draw(st.sampled_from(at))
            infos = replaced(infos, path, data.draw(json_values))
        self.assert_nothing_but_refused(json.loads(json.dumps(infos)))

    @settings(max_examples=base.examples(100))
    @given(st.lists(json_values, max_size=3))
    def test_entries_of_any_kind(self, infos):
        self.assert_nothing_but_refused(infos)

    @settings(max_examples=base.examples(100))
    @given(
        st.one_of(
            st.text(max_size=50),
            st.lists(json_values, max_size=3).map(json.dumps),
            json_values.map(json.dumps),
        )
    )
    def test_what_nova_would_read_as_the_disk_info(self, text):
        """Nova makes a directory, and files, of a list of disks only."""
        data = migrate_data.LibvirtLiveMigrateData(
            is_shared_instance_path=True
        )
        try:
            self.destination.expect(self.instance, data, text)
        except exception.MigrationError as exc:
            self.assertNotIn('Traceback', str(exc))
        else:
            for info in json.loads(text):
                self.assertIn(os.path.basename(info['path']), NAMES)
                self.assertIn(info['type'], ('raw', 'qcow2'))

    @settings(max_examples=base.examples(50))
    @given(st.sampled_from([1, 2]), st.randoms(use_true_random=False))
    def test_content_of_any_kind(self, version, rng: random.Random):
        """A hostile source seals as well as we do, and packs anything."""
        packed = self.packed(b'some' * 40000)
        raw = bytearray(packed.to_bytes())
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        try:
            altered = content.Packed.from_bytes(bytes(raw))
        except content.BadPayload:
            return
        info = self.inline('disk.eph0', altered, version, size=160000)
        self.assert_nothing_but_refused([info])

    def test_what_was_meant_is_accepted(self):
        """Else the tests above would pass by refusing everything."""
        infos = json.loads(json.dumps(self.valid()))
        prepared = self.prepare(infos)
        self.assertEqual(
            ['disk', 'disk.eph0', 'disk.swap', 'disk.config'],
            [os.path.basename(i['path']) for i in prepared.disk_info],
        )
        self.assertEqual(
            {'disk.eph0': MIB, 'disk.swap': 4, 'disk.config': 6}, self.made()
        )


class BombTest(Case):
    """A compressed byte may stand for a thousand."""

    def bomb(self, size):
        return self.packed(b'\1' * size)

    def test_what_it_becomes_on_disk_is_limited(self):
        small = self.bomb(MIB)
        self.prepare([self.inline('disk.config', small)])
        self.clean()
        self.assertRaises(
            exception.MigrationError,
            self.prepare,
            [self.inline('disk.config', small, size=MOST + 1)],
        )
        self.assertEqual({}, self.made())

    def test_what_it_becomes_in_memory_is_limited(self):
        info = self.inline('disk.config', self.bomb(32 * MIB))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.prepare([info])
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 4 * MIB)
        self.assertEqual({'disk.config': 32 * MIB}, self.made())

    def test_it_holds_more_than_the_disk(self):
        self.assertRaises(
            exception.MigrationError,
            self.prepare,
            [self.inline('disk.config', self.bomb(2 * MIB), size=MIB)],
        )
        self.assertEqual({}, self.made())
