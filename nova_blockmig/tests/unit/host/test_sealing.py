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

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_blockmig.host import sealing
from nova_blockmig.tests.unit import base

CONTEXT = sealing.Context('3d1d9a2e-7cf0-4f59-8d1f-6b3f3fdd5d6b', 'disk.eph0')
SECRET = b'admin_pass: S3cret'


class SealingTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.sender = sealing.KeyPair()
        self.recipient = sealing.KeyPair()

    def sealed(self, data=SECRET):
        return self.sender.seal(self.recipient.public_key, CONTEXT, data)

    def assert_closed(self, keys, context, sealed):
        self.assertRaises(
            sealing.CannotOpen,
            keys.open,
            self.sender.public_key,
            context,
            sealed,
        )

    def test_the_recipient_reads_it(self):
        for data in (b'', SECRET, bytes(1 << 20)):
            self.assertEqual(
                data,
                self.recipient.open(
                    self.sender.public_key, CONTEXT, self.sealed(data)
                ),
            )

    def test_nobody_else_does(self):
        sealed = self.sealed()
        self.assertNotIn(SECRET, sealed)
        self.assert_closed(sealing.KeyPair(), CONTEXT, sealed)
        self.assert_closed(self.sender, CONTEXT, sealed)

    def test_it_belongs_to_one_disk_of_one_instance(self):
        sealed = self.sealed()
        for context in (
            sealing.Context(CONTEXT.instance, 'disk.eph1'),
            sealing.Context('another', CONTEXT.disk),
            # The same bytes, parted elsewhere.
            sealing.Context(CONTEXT.instance[:-1], '6b' + CONTEXT.disk),
        ):
            self.assert_closed(self.recipient, context, sealed)

    def test_altered_by_a_bit(self):
        sealed = self.sealed()
        for place in (0, len(sealed) // 2, len(sealed) - 1):
            altered = bytearray(sealed)
            altered[place] ^= 1
            self.assert_closed(self.recipient, CONTEXT, bytes(altered))
        self.assert_closed(self.recipient, CONTEXT, sealed[:-1])
        self.assert_closed(self.recipient, CONTEXT, b'')

    def test_a_public_key_has_33_bytes(self):
        self.assertEqual(33, len(self.sender.public_key))
        self.assertNotEqual(self.sender.public_key, self.recipient.public_key)

    @settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=70))
    def test_keys_that_are_none(self, key):
        self.assertRaises(
            sealing.BadKey, self.sender.seal, b'\x09' + key, CONTEXT, b''
        )
        self.assertRaises(
            sealing.CannotOpen,
            self.recipient.open,
            b'\x09' + key,
            CONTEXT,
            b'',
        )
