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

from nova_blockmig.core import content
from nova_blockmig.core import model
from nova_blockmig.core import payload
from nova_blockmig.tests.unit import base


def packed():
    return content.pack([(0, b'secret' * 100)], 1 << 20, limit=1 << 20)


def read(**note):
    return payload.read({'path': '/x/disk', payload.KEY: note})


class PayloadTest(base.TestCase):
    def test_notes_come_back_through_json(self):
        for note in (
            payload.Note(model.Travel.COPY),
            payload.Note(model.Travel.FETCH, digest='0' * 64),
            payload.Note(model.Travel.FETCH),
            payload.Note(model.Travel.CARRY, packed=packed()),
        ):
            info = {payload.KEY: json.loads(json.dumps(note.to_json()))}
            self.assertEqual(note, payload.read(info))

    def test_stock_disk_info_has_no_note(self):
        self.assertIsNone(payload.read({'path': '/x/disk', 'type': 'qcow2'}))

    def test_other_versions_are_named(self):
        exc = self.assertRaises(
            payload.BadNote, read, version=99, travel='copy'
        )
        self.assertIn('99', str(exc))
        self.assertIn(str(payload.VERSION), str(exc))

    def test_malformed_notes_are_refused(self):
        version = payload.VERSION
        for note in (
            {'version': version},
            {'version': version, 'travel': 'teleport'},
            {'version': version, 'travel': 'flatten'},
            {'version': version, 'travel': 'refuse'},
            {'version': version, 'travel': 'fetch', 'digest': 5},
            {'version': version, 'travel': 'carry'},
            {'version': version, 'travel': 'carry', 'content': 'x'},
            {'travel': 'copy'},
        ):
            self.assertRaises(payload.BadNote, read, **note)

    def test_a_note_that_is_no_object_is_refused(self):
        self.assertRaises(payload.BadNote, payload.read, {payload.KEY: 'copy'})

    def test_content_does_not_show(self):
        note = payload.Note(model.Travel.CARRY, packed=packed())
        self.assertNotIn('secret', repr(note))
        broken = note.to_json()
        broken['content']['sha256'] = 'f' * 64
        text = str(payload.read({payload.KEY: broken}))
        self.assertNotIn('secret', text)
