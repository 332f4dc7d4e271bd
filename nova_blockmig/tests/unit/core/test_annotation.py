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

import json

from nova_blockmig.core import annotation
from nova_blockmig.core import content
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.tests.unit import base


def packed():
    return content.pack([(0, b'secret' * 100)], 1 << 20, limit=1 << 20)


def read(**raw):
    return annotation.read({'path': '/x/disk', annotation.KEY: raw})


# What 17bc908, which spoke version 1 only, wrote and read.
V1_COPY = {'version': 1, 'travel': 'copy'}
V1_FETCH = {'version': 1, 'travel': 'fetch', 'digest': 'da' * 32}
V1_CARRY = {
    'version': 1,
    'travel': 'carry',
    'content': {
        'version': 1,
        'length': 70000,
        'sha256': (
            '4779d5af0b1311757b325b699e6389c15bbf2de62135868c84228972ee4ed2e1'
        ),
        'crc32': 2657113372,
        'data': (
            'eAHt0LENgCAUBNDPJqwGURKjVNi4vYWsYMW75pLr7kV86WXbc31yP9uYkyJA'
            'gAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBA'
            'gAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBA'
            'gAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBA'
            'gAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBA'
            'gAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBA'
            'gAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBAgAABAgQIECBA'
            'gAABAgQIECBAgACBVQVSxF2Oa9X7fhMgQIAAAQIECBAgQIAAAQIE/hB4AfW3'
            'Bg8='
        ),
    },
}


SEALED = annotation.DiskAnnotation(
    model.TransferMethod.INLINE,
    sealed=annotation.Sealed(bytes(33), bytes(range(33)), b'ciphertext'),
    virtual_bytes=1 << 30,
)
SEALED_JSON = SEALED.to_json(2)


def v1_messages():
    """What version 1 wrote, and what it meant."""
    carried = content.Packed.from_json(V1_CARRY['content'])
    return (
        (V1_COPY, annotation.DiskAnnotation(model.TransferMethod.COPY)),
        (
            V1_FETCH,
            annotation.DiskAnnotation(
                model.TransferMethod.FETCH, digest='da' * 32
            ),
        ),
        (
            V1_CARRY,
            annotation.DiskAnnotation(
                model.TransferMethod.INLINE, packed=carried
            ),
        ),
    )


class AnnotationTest(base.TestCase):
    def test_annotations_come_back_through_json(self):
        for note in (
            annotation.DiskAnnotation(model.TransferMethod.COPY),
            annotation.DiskAnnotation(
                model.TransferMethod.FETCH, digest='0' * 64
            ),
            annotation.DiskAnnotation(model.TransferMethod.FETCH),
        ):
            for version in (handshake.OLDEST, handshake.NEWEST):
                raw = json.loads(json.dumps(note.to_json(version)))
                self.assertEqual(version, raw['version'])
                self.assertEqual(note, read(**raw))

    def test_inline_content_comes_back_through_json(self):
        for version, note in (
            (
                1,
                annotation.DiskAnnotation(
                    model.TransferMethod.INLINE, packed=packed()
                ),
            ),
            (2, SEALED),
        ):
            raw = json.loads(json.dumps(note.to_json(version)))
            self.assertEqual(note, read(**raw))

    def test_what_version_1_wrote_is_read(self):
        for raw, meaning in v1_messages():
            self.assertEqual(meaning, read(**raw))

    def test_the_carried_content_of_version_1_is_read(self):
        blocks = list(content.unpack(read(**V1_CARRY).packed))
        self.assertEqual([0, 65536], [offset for offset, _ in blocks])
        self.assertEqual(b'made by mkfs', blocks[0][1].rstrip(b'\0'))
        self.assertEqual(b'tail', blocks[1][1].rstrip(b'\0'))

    def test_version_1_is_written_as_it_was(self):
        for raw, meaning in v1_messages():
            self.assertEqual(raw, json.loads(json.dumps(meaning.to_json(1))))

    def test_in_tree_disk_info_has_no_annotation(self):
        self.assertIsNone(
            annotation.read({'path': '/x/disk', 'type': 'qcow2'})
        )

    def test_other_versions_are_named(self):
        for version in (0, 99, True, '2', None, 1.0, ['x' * 999]):
            exc = self.assertRaises(
                annotation.BadAnnotation,
                read,
                version=version,
                method='copy',
                travel='copy',
            )
            self.assertIn(repr(version)[:20], str(exc))
            self.assertIn(str(handshake.NEWEST), str(exc))
            self.assertLess(len(str(exc)), 100)

    def test_malformed_annotations_are_refused(self):
        for raw in (
            {},
            {'method': 'teleport'},
            {'method': 'flatten'},
            {'method': 'refuse'},
            {'method': ['copy']},
            {'method': 'carry'},
            {'travel': 'copy'},
            {'method': 'fetch', 'digest': 5},
            {'method': 'inline'},
            {'method': 'inline', 'content': 'x'},
            {**SEALED_JSON, 'virtual_bytes': '7'},
            {**SEALED_JSON, 'virtual_bytes': -1},
            {**SEALED_JSON, 'virtual_bytes': 2**63},
            {**SEALED_JSON, 'virtual_bytes': True},
            {**SEALED_JSON, 'sealed': None},
            *(
                {**SEALED_JSON, 'sealed': {**SEALED_JSON['sealed'], **field}}
                for field in (
                    {'recipient': 5},
                    {'recipient': 'aa'},
                    {'sender': 'AA' * 33},
                    {'sender': None},
                    {'data': None},
                    {'data': 'x'},
                    {'data': '\u00e9'},
                )
            ),
        ):
            self.assertRaises(
                annotation.BadAnnotation,
                read,
                **{'version': handshake.NEWEST, **raw},
            )
        for raw in (
            {'travel': 'inline'},
            {'travel': 'flatten'},
            {'method': 'copy'},
        ):
            self.assertRaises(
                annotation.BadAnnotation, read, **{'version': 1, **raw}
            )
        self.assertRaises(annotation.BadAnnotation, read, method='copy')

    def test_one_that_is_no_object_is_refused(self):
        self.assertRaises(
            annotation.BadAnnotation, annotation.read, {annotation.KEY: 'copy'}
        )

    def test_content_does_not_show(self):
        note = annotation.DiskAnnotation(
            model.TransferMethod.INLINE, packed=packed()
        )
        self.assertNotIn('secret', repr(note))
        broken = note.to_json(1)
        broken['content']['sha256'] = 'f' * 64
        text = str(annotation.read({annotation.KEY: broken}))
        self.assertNotIn('secret', text)
