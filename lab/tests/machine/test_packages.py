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

import os
from pathlib import Path
import tempfile

import fixtures
import testtools

from blocklab.machine import packages

OURS = packages._REFUSAL
THEIRS = '#!/bin/sh\nexit 0\n'


class PolicyTest(testtools.TestCase):
    """What of a machine's own policy-rc.d(8) is left afterwards."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.policy = Path(directory.name) / 'policy-rc.d'
        self.saved = Path(directory.name) / 'policy-rc.d.saved'
        for name in ('policy', 'saved'):
            self.useFixture(
                fixtures.MockPatchObject(
                    packages, f'_{name.upper()}', getattr(self, name)
                )
            )

    def keep_still(self) -> None:
        with packages._services_kept_still():
            self.assertEqual(OURS, self.policy.read_text())
            self.assertTrue(os.access(self.policy, os.X_OK))

    def test_a_machine_without_one(self) -> None:
        self.keep_still()
        self.assertFalse(self.policy.exists())

    def test_a_machine_with_one_of_its_own(self) -> None:
        self.policy.write_text(THEIRS)
        self.keep_still()
        self.assertEqual(THEIRS, self.policy.read_text())
        self.assertFalse(self.saved.exists())

    def test_after_a_run_that_was_killed(self) -> None:
        self.policy.write_text(OURS)
        self.saved.write_text(THEIRS)
        self.keep_still()
        self.assertEqual(THEIRS, self.policy.read_text())

    def test_killed_on_a_machine_without_one(self) -> None:
        self.policy.write_text(OURS)
        self.keep_still()
        self.assertFalse(self.policy.exists())

    def test_an_installation_that_fails(self) -> None:
        self.policy.write_text(THEIRS)
        with (
            testtools.ExpectedException(RuntimeError),
            packages._services_kept_still(),
        ):
            raise RuntimeError
        self.assertEqual(THEIRS, self.policy.read_text())
