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

"""Nova's versioned objects, which a unit test has no database for."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import fixtures
from nova import objects


def answering(
    name: str, **queries: Callable[..., Any]
) -> fixtures.MockPatchObject:
    """A class of nova.objects with these methods in the place of its own.

    Nova registers its objects when it is started, so it may not be there.
    """
    return fixtures.MockPatchObject(
        objects, name, create=True, new=mock.Mock(**queries)
    )
