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

"""Tests with Nova's own fixtures."""

from nova import monkey_patch

# Nova decides here whether the process runs in eventlet's green threads; it
# has to come before anything that starts a thread. Nova 31 decides when the
# module is imported, later ones when asked to; their tests ask, but those of
# Nova 32 only after they have imported much else.
getattr(monkey_patch, 'patch', lambda: None)()
