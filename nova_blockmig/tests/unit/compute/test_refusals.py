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


"""Tests of what leaves a check."""

import fixtures
from nova import exception

from nova_blockmig.compute import refusals
from nova_blockmig.core import errors
from nova_blockmig.core import verdict
from nova_blockmig.tests.unit import base
from nova_blockmig.tests.unit.compute import nova_objects

VM = nova_objects.instance()


class OfCheckTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def leaves(self, error):
        try:
            with refusals.of_check(VM):
                raise error
        except Exception as exc:
            return exc
        self.fail('nothing was raised')

    def test_what_the_conductor_knows_passes(self):
        for error in (
            exception.InvalidCPUInfo(reason='x'),
            exception.MigrationPreCheckError(reason='x'),
            exception.InvalidSharedStorage(path='x', reason='y'),
        ):
            self.assertIs(error, self.leaves(error))
        self.assertEqual('', self.log.output)

    def test_a_refusal_of_ours(self):
        row = verdict.Row(verdict.Resource.RAM, 2, verdict.Available(1))
        outcome = verdict.Verdict('bd261aa7', 'server-01', (row,))
        left = self.leaves(errors.DoesNotFit(outcome))
        self.assertIsInstance(left, exception.MigrationPreCheckError)
        self.assertIn(outcome.sentence(), left.format_message())
        self.assertEqual('', self.log.output)

    def test_anything_else_refuses_with_its_reason(self):
        """The conductor would set a running instance to ERROR."""
        for error in (
            PermissionError(13, 'Permission denied', '/var/lib/nova'),
            exception.NovaException('a database that is away'),
            KeyError('free_ram_mb'),
        ):
            left = self.leaves(error)
            self.assertIsInstance(left, exception.MigrationPreCheckError)
            self.assertIn(type(error).__name__, left.format_message())
            self.assertIn(str(error), left.format_message())
            self.assertIs(error, left.__cause__)
        self.assertIn('Traceback', self.log.output)

    def test_nothing_at_all(self):
        with refusals.of_check(VM):
            pass
