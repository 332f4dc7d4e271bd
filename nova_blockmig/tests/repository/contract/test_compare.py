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

import json

from nova_blockmig.tests.contract import allowed
from nova_blockmig.tests.contract import compare
from nova_blockmig.tests.unit import base


def lines(*records):
    return [
        json.dumps({'test': test, 'status': status, 'detail': detail})
        for test, status, detail in records
    ]


class OutcomesTest(base.TestCase):
    def test_the_last_word_counts(self):
        found = compare.outcomes(
            lines(('a', 'running', ''), ('a', 'skip', 'no KVM'))
        )
        self.assertEqual({'a': compare.Outcome('skip', 'no KVM')}, found)

    def test_a_test_without_an_end_died(self):
        found = compare.outcomes(lines(('a', 'running', '')))
        self.assertEqual(compare.DIED, found['a'].status)

    def test_a_failure_is_not_forgotten(self):
        found = compare.outcomes(
            lines(
                ('a', 'running', ''), ('a', 'fail', 'tearDown'),
                ('a', 'pass', ''),
            )
        )  # fmt: skip
        self.assertEqual('fail', found['a'].status)


class CompareTest(base.TestCase):
    def compare(self, in_tree, ours, exceptions=(), whole=True):
        findings = compare.compare(
            {
                test: compare.Outcome(status)
                for test, status in in_tree.items()
            },
            {test: compare.Outcome(status) for test, status in ours.items()},
            {entry.test: entry for entry in exceptions},
            whole,
        )
        return [(finding.kind, finding.test) for finding in findings]

    def test_the_same_is_not_worth_a_word(self):
        ends = {'a': 'pass', 'b': 'skip', 'c': 'xfail'}
        self.assertEqual([], self.compare(ends, ends))

    def test_a_difference(self):
        self.assertEqual(
            [(compare.Kind.DIFFERS, 'a')],
            self.compare(
                {'a': 'pass', 'b': 'pass'}, {'a': 'fail', 'b': 'pass'}
            ),
        )

    def test_a_skip_is_a_difference(self):
        self.assertEqual(
            [(compare.Kind.DIFFERS, 'a')],
            self.compare({'a': 'pass'}, {'a': 'skip'}),
        )

    def test_a_test_that_was_not_run_is_a_difference(self):
        self.assertEqual(
            [(compare.Kind.DIFFERS, 'a'), (compare.Kind.DIFFERS, 'b')],
            self.compare({'a': 'pass'}, {'b': 'pass'}),
        )

    def test_an_allowed_difference(self):
        entry = allowed.Allowed('a', 'fail', 'a defect')
        self.assertEqual(
            [(compare.Kind.ALLOWED, 'a')],
            self.compare({'a': 'pass'}, {'a': 'fail'}, [entry]),
        )

    def test_allowed_to_fail_is_not_allowed_to_hang(self):
        entry = allowed.Allowed('a', 'fail', 'a defect')
        for status in ('skip', compare.HUNG, compare.DIED):
            self.assertEqual(
                [(compare.Kind.DIFFERS, 'a')],
                self.compare({'a': 'pass'}, {'a': status}, [entry]),
            )

    def test_an_entry_that_is_no_longer_needed(self):
        entry = allowed.Allowed('a', 'fail', 'a defect')
        for status in ('pass', 'fail'):
            self.assertEqual(
                [(compare.Kind.NOT_NEEDED, 'a')],
                self.compare({'a': status}, {'a': status}, [entry]),
            )
        self.assertIn(compare.Kind.NOT_NEEDED, compare.BAD)

    def test_an_entry_for_a_test_that_is_gone(self):
        entry = allowed.Allowed('gone', 'fail', 'a defect')
        self.assertEqual(
            [(compare.Kind.NOT_NEEDED, 'gone')], self.compare({}, {}, [entry])
        )
        self.assertEqual([], self.compare({}, {}, [entry], whole=False))

    def test_a_failure_of_both_is_shown(self):
        self.assertEqual(
            [(compare.Kind.IN_TREE_FAILS, 'a')],
            self.compare({'a': 'fail'}, {'a': 'fail'}),
        )


class ConfirmedTest(base.TestCase):
    def kinds(self, in_tree, ours, kind=compare.Kind.DIFFERS):
        finding = compare.Finding(kind, 'a', 'fail', 'pass')
        (found,) = compare.confirmed(
            [finding],
            {'a': compare.Outcome(in_tree)},
            {'a': compare.Outcome(ours)},
        )
        return found.kind

    def test_gone_the_second_time(self):
        self.assertEqual(compare.Kind.UNSTABLE, self.kinds('pass', 'pass'))
        self.assertNotIn(compare.Kind.UNSTABLE, compare.BAD)

    def test_not_gone(self):
        for in_tree, ours in (
            ('pass', 'fail'), ('fail', 'pass'), ('fail', 'fail'),
            ('skip', 'skip'),
        ):  # fmt: skip
            self.assertEqual(compare.Kind.DIFFERS, self.kinds(in_tree, ours))

    def test_only_differences_are_looked_at(self):
        kind = compare.Kind.NOT_NEEDED
        self.assertEqual(kind, self.kinds('pass', 'pass', kind))
        finding = compare.Finding(kind, 'a', 'pass', 'pass')
        self.assertEqual([], compare.differing([finding]))

    def test_a_test_that_was_not_run_again(self):
        finding = compare.Finding(compare.Kind.DIFFERS, 'a', 'pass', 'fail')
        self.assertEqual(['a'], compare.differing([finding]))
        self.assertEqual([finding], compare.confirmed([finding], {}, {}))
