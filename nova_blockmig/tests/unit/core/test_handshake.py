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
from hypothesis import strategies as st

from nova_blockmig.core import handshake
from nova_blockmig.tests.unit import base


class MarksTest(base.TestCase):
    def test_stock_names_bear_no_mark(self):
        for name in ('tmpk3j2_x', 'tmp.blockmig', 'tmp.blockmig-1', ''):
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
        st.integers(min_value=0, max_value=999999),
        st.sampled_from(['qcow2', 'raw', 'lvm', 'rbd', 'ploop']),
    )
    def test_marks_come_back(self, version, images_type):
        mark = handshake.PeerInfo(version, images_type)
        name = handshake.mark_destination('tmpabc', mark)
        self.assertEqual(mark, handshake.read_destination(name))
        self.assertEqual(
            version,
            handshake.read_source(handshake.mark_source(name, version)),
        )

    def test_a_marked_name_is_a_file_name(self):
        name = handshake.mark_destination(
            'tmpabcdefgh', handshake.PeerInfo(999999, 'p' * 16)
        )
        self.assertNotIn('/', name)
        self.assertLess(len(name), 255)
