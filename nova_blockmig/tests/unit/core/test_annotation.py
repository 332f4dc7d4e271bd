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
from nova_blockmig.core import model
from nova_blockmig.tests.unit import base


def packed():
    return content.pack([(0, b'secret' * 100)], 1 << 20, limit=1 << 20)


def read(**note):
    return annotation.read({'path': '/x/disk', annotation.KEY: note})


class PayloadTest(base.TestCase):
    def test_notes_come_back_through_json(self):
        for note in (
            annotation.DiskAnnotation(model.TransferMethod.COPY),
            annotation.DiskAnnotation(
                model.TransferMethod.FETCH, digest='0' * 64
            ),
            annotation.DiskAnnotation(model.TransferMethod.FETCH),
            annotation.DiskAnnotation(
                model.TransferMethod.INLINE, packed=packed()
            ),
        ):
            info = {annotation.KEY: json.loads(json.dumps(note.to_json()))}
            self.assertEqual(note, annotation.read(info))

    def test_stock_disk_info_has_no_note(self):
        self.assertIsNone(
            annotation.read({'path': '/x/disk', 'type': 'qcow2'})
        )

    def test_other_versions_are_named(self):
        exc = self.assertRaises(
            annotation.BadAnnotation, read, version=99, method='copy'
        )
        self.assertIn('99', str(exc))
        self.assertIn(str(annotation.VERSION), str(exc))

    def test_malformed_notes_are_refused(self):
        version = annotation.VERSION
        for note in (
            {'version': version},
            {'version': version, 'method': 'teleport'},
            {'version': version, 'method': 'flatten'},
            {'version': version, 'method': 'refuse'},
            {'version': version, 'method': 'fetch', 'digest': 5},
            {'version': version, 'method': 'inline'},
            {'version': version, 'method': 'inline', 'content': 'x'},
            {'method': 'copy'},
        ):
            self.assertRaises(annotation.BadAnnotation, read, **note)

    def test_a_note_that_is_no_object_is_refused(self):
        self.assertRaises(
            annotation.BadAnnotation, annotation.read, {annotation.KEY: 'copy'}
        )

    def test_content_does_not_show(self):
        note = annotation.DiskAnnotation(
            model.TransferMethod.INLINE, packed=packed()
        )
        self.assertNotIn('secret', repr(note))
        broken = note.to_json()
        broken['content']['sha256'] = 'f' * 64
        text = str(annotation.read({annotation.KEY: broken}))
        self.assertNotIn('secret', text)
