# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Two compute hosts and a control plane on one machine.

`Lab` is what the demo and the tests use; see `blocklab.lab`. It is imported
when it is asked for, because `labctl --help` works before anything is
installed.
"""

from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from blocklab.lab import Lab

__all__ = ['Lab']


def __getattr__(name: str) -> Any:
    if name == 'Lab':
        from blocklab.lab import Lab

        return Lab
    raise AttributeError(name)
