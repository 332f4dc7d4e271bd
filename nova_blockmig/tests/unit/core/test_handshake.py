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

import re

from hypothesis import given
from hypothesis import strategies as st

from nova_blockmig.core import handshake
from nova_blockmig.tests.unit import base

# As version 1 looks for them, and it takes nothing but version 1.
V1_DESTINATION = r'\.blockmig-(\d{1,6})-([a-z0-9]{1,16})$'
V1_SOURCE = r'\.blockmig-source-(\d{1,6})$'
KEY = bytes(range(33))
DIGEST = 'da' * 32


class HandshakeTest(base.TestCase):
    def test_in_tree_names_bear_no_mark(self):
        for name in (
            'tmpk3j2_x',
            'tmp.blockmig',
            'tmp.blockmig-1',
            'tmp.blockmig2-k00',
            'tmp.blockmig-1-qcow2.old',
            '',
        ):
            self.assertIsNone(handshake.read_destination(name))
            self.assertIsNone(handshake.read_source(name))

    def test_the_source_mark_hides_the_destination_mark(self):
        mark = handshake.PeerInfo(version=1, images_type='qcow2')
        name = handshake.mark_source(
            handshake.mark_destination('tmpabc', mark), 1
        )
        self.assertEqual(1, handshake.read_source(name))
        self.assertIsNone(handshake.read_destination(name))

    @given(
        st.builds(
            handshake.PeerInfo,
            version=st.integers(min_value=2, max_value=999999),
            images_type=st.sampled_from(
                ['qcow2', 'raw', 'lvm', 'rbd', 'ploop']
            ),
            oldest=st.integers(min_value=1, max_value=999999),
            public_key=st.none() | st.binary(min_size=33, max_size=33),
            max_inline_bytes=st.none()
            | st.integers(min_value=0, max_value=2**63 - 1),
            base_digest=st.none()
            | st.binary(min_size=32, max_size=32).map(bytes.hex),
            qemu_version=st.none()
            | st.integers(min_value=0, max_value=2**32 - 1),
        )
    )
    def test_marks_come_back(self, mark):
        name = handshake.mark_destination('tmpabc', mark)
        self.assertEqual(mark, handshake.read_destination(name))
        answer = handshake.mark_source(name, mark.common_version)
        self.assertEqual(mark.common_version, handshake.read_source(answer))

    def test_version_1_takes_it_for_its_own(self):
        for mark in (
            handshake.PeerInfo(handshake.NEWEST, 'qcow2'),
            handshake.PeerInfo(2, 'raw', 1, KEY, 4 << 20, DIGEST),
            handshake.PeerInfo(77, 'qcow2', public_key=KEY),
        ):
            found = re.search(
                V1_DESTINATION, handshake.mark_destination('tmpabc', mark)
            )
            self.assertEqual(('1', mark.images_type), found.groups())
        answer = handshake.mark_source('tmpabc.blockmig-1-qcow2', 1)
        self.assertEqual('1', re.search(V1_SOURCE, answer)[1])

    def test_what_version_1_says(self):
        self.assertEqual(
            handshake.PeerInfo(1, 'qcow2'),
            handshake.read_destination('tmpabc.blockmig-1-qcow2'),
        )
        self.assertEqual(
            1,
            handshake.read_source('tmpabc.blockmig-1-qcow2.blockmig-source-1'),
        )

    def test_fields_of_the_future_are_skipped(self):
        name = (
            f'tmp.blockmig3-a1-k{KEY.hex()}-zf00-m10-b{DIGEST}.blockmig-1-raw'
        )
        self.assertEqual(
            handshake.PeerInfo(3, 'raw', 1, KEY, 16, DIGEST),
            handshake.read_destination(name),
        )

    def test_fields_of_a_wrong_length_are_none_of_ours(self):
        name = f'tmp.blockmig2-k{KEY.hex()[2:]}-b{DIGEST[1:]}.blockmig-1-raw'
        self.assertEqual(
            handshake.PeerInfo(2, 'raw'), handshake.read_destination(name)
        )

    def test_common_versions(self):
        for version, oldest, common in (
            (1, 1, 1),
            (2, 1, 2),
            (2, 2, 2),
            (9, 1, 2),
            (9, 2, 2),
            (9, 3, handshake.NOTHING_IN_COMMON),
            (0, 0, handshake.NOTHING_IN_COMMON),
        ):
            mark = handshake.PeerInfo(version, 'qcow2', oldest, KEY)
            self.assertEqual(common, mark.common_version)

    def test_without_a_key_there_is_version_1_at_most(self):
        for oldest, common in ((1, 1), (2, handshake.NOTHING_IN_COMMON)):
            mark = handshake.PeerInfo(2, 'qcow2', oldest)
            self.assertEqual(common, mark.common_version)

    def test_a_marked_name_is_a_file_name(self):
        name = handshake.mark_source(
            handshake.mark_destination(
                'tmpabcdefgh',
                handshake.PeerInfo(
                    999999,
                    'p' * 16,
                    999999,
                    KEY,
                    2**63 - 1,
                    DIGEST,
                    2**32 - 1,
                ),
            ),
            999999,
        )
        self.assertNotIn('/', name)
        self.assertLess(len(name), 255)

    @given(
        st.text(max_size=30),
        st.from_regex(
            r'(\.blockmig[0-9]{0,7}(-[a-z][0-9a-f]{0,70}){0,4})?'
            r'(\.blockmig(-source)?-[0-9]{0,7}(-[a-z0-9]{0,17})?){0,2}',
            fullmatch=True,
        ),
    )
    def test_whatever_a_peer_calls_the_file(self, name, mark):
        found = handshake.read_destination(name + mark)
        if found is not None:
            self.assertGreaterEqual(found.common_version, 0)
            self.assertLessEqual(found.common_version, handshake.NEWEST)
            self.assertLess(found.max_inline_bytes or 0, 2**64)
        version = handshake.read_source(name + mark)
        self.assertLess(version or 0, 10**6)
