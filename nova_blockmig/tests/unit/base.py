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

"""The base of every unit test: starting a process is an error."""

import os
import subprocess
from typing import Any
from typing import NoReturn

import fixtures
import hypothesis
import testtools

_MORE = int(os.environ.get('BLOCKMIG_FUZZ', '1'))


def examples(number: int) -> int:
    """How many examples a property-based test tries.

    So many times more as the environment asks for.
    """
    return number * _MORE


# No test is measured by the time that a busy machine takes for it.
hypothesis.settings.register_profile(
    'nova-blockmig',
    deadline=None,
    max_examples=examples(100),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile('nova-blockmig')

_STARTERS = (
    (subprocess.Popen, '__init__'),
    (os, 'fork'),
    (os, 'posix_spawn'),
    (os, 'system'),
)


class ProcessStarted(AssertionError):
    """A unit test tried to start a process."""


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise ProcessStarted(
        'a unit test must not start a process; put a value in its place, or '
        f'move the test to tests/functional: {args[1:] or args}'
    )


class TestCase(testtools.TestCase):
    """A test that needs this interpreter and a temporary directory only."""

    def setUp(self) -> None:
        super().setUp()
        for owner, name in _STARTERS:
            self.useFixture(fixtures.MockPatchObject(owner, name, _refuse))


class DirectoryTestCase(TestCase):
    """A test with a temporary directory of its own, which is ``path``."""

    def setUp(self) -> None:
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path

    def write(self, name: str, data: bytes = b'') -> str:
        """Make a file and the directories above it; return its path."""
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(data)
        return path
