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

import io
import unittest

from nova_blockmig.tests.contract import compare
from nova_blockmig.tests.contract import recorder
from nova_blockmig.tests.unit import base


class Samples(base.TestCase):
    """Run by the tests below, never by a test runner."""

    def runs_well(self):
        pass

    def fails(self):
        self.fail('as it should')

    def breaks(self):
        raise ValueError('broken')

    def is_skipped(self):
        self.skipTest('no KVM')

    @unittest.expectedFailure
    def fails_as_expected(self):
        self.fail('known')

    @unittest.expectedFailure
    def passes_unexpectedly(self):
        pass


class PlainSamples(base.TestCase):
    def fails(self):
        self.fail('as it should')


class RecorderTest(base.TestCase):
    def outcome(self, name, cls=Samples):
        stream = io.StringIO()
        test = cls(name)
        test.run(recorder.Recorder(stream))
        first, *_ = stream.getvalue().splitlines()
        self.assertIn(compare.RUNNING, first)
        return compare.outcomes(stream.getvalue().splitlines())[test.id()]

    def test_statuses(self):
        for name, status in (
            ('runs_well', 'pass'),
            ('fails', 'fail'),
            ('breaks', 'fail'),
            ('is_skipped', 'skip'),
            ('fails_as_expected', 'xfail'),
            ('passes_unexpectedly', 'fail'),
        ):
            self.assertEqual(status, self.outcome(name).status, name)

    def test_details(self):
        self.assertIn('ValueError: broken', self.outcome('breaks').detail)
        self.assertIn('no KVM', self.outcome('is_skipped').detail)
        self.assertEqual('', self.outcome('runs_well').detail)

    def test_a_plain_unittest(self):
        outcome = self.outcome('fails', PlainSamples)
        self.assertEqual('fail', outcome.status)
        self.assertIn('as it should', outcome.detail)
