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

import types

from nova_blockmig.compute import aborted
from nova_blockmig.tests.unit import base


class AbortedTest(base.TestCase):
    def virtapi(self, *waiting):
        manager = types.SimpleNamespace(
            _waiting_live_migrations=dict.fromkeys(waiting)
        )
        return types.SimpleNamespace(_compute=manager)

    def test_an_instance_that_nova_still_waits_for(self):
        self.assertFalse(aborted.aborted(self.virtapi('uuid'), 'uuid'))

    def test_an_instance_that_was_taken_out(self):
        self.assertTrue(aborted.aborted(self.virtapi('other'), 'uuid'))

    def test_a_virtapi_without_a_manager(self):
        self.assertFalse(aborted.aborted(object(), 'uuid'))
