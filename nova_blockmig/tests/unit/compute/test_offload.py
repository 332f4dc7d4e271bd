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

import sys
import types
from unittest import mock

from nova_blockmig.compute import offload
from nova_blockmig.tests.unit import base


class OffloadTest(base.TestCase):
    def pretend(self, eventlet):
        # In place: the import system does not look at another dict.
        patcher = mock.patch.dict(sys.modules)
        patcher.start()
        self.addCleanup(patcher.stop)
        sys.modules.pop('eventlet', None)
        sys.modules.pop('eventlet.tpool', None)
        if eventlet is not None:
            sys.modules['eventlet'] = eventlet
            sys.modules['eventlet.tpool'] = eventlet.tpool

    def eventlet(self, patched):
        calls = []

        def execute(func, *args, **kwargs):
            calls.append(func)
            return func(*args, **kwargs)

        module = types.ModuleType('eventlet')
        module.__path__ = []
        module.patcher = types.SimpleNamespace(
            is_monkey_patched=lambda name: patched and name == 'thread'
        )
        module.tpool = types.ModuleType('eventlet.tpool')
        module.tpool.execute = execute
        self.pretend(module)
        return calls

    def test_native_threads_run_it_here(self):
        self.pretend(None)
        self.assertEqual(3, offload.run(max, 1, 3))

    def test_eventlet_that_patched_nothing(self):
        calls = self.eventlet(patched=False)
        self.assertEqual(3, offload.run(max, 1, 3))
        self.assertEqual([], calls)

    def test_eventlet_gives_it_to_a_native_thread(self):
        calls = self.eventlet(patched=True)
        self.assertEqual([2, 1], offload.run(sorted, [1, 2], reverse=True))
        self.assertEqual([sorted], calls)

    def test_errors_come_through(self):
        self.eventlet(patched=True)
        self.assertRaises(ZeroDivisionError, offload.run, divmod, 1, 0)
