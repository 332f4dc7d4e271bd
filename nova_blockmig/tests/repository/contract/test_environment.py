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

import re

from nova_blockmig import version
from nova_blockmig.tests.contract import environment
from nova_blockmig.tests.contract import main
from nova_blockmig.tests.contract import workers
from nova_blockmig.tests.unit import base


class EnvironmentTest(base.TestCase):
    def test_the_releases_are_the_known_ones(self):
        self.assertEqual(
            {name: number for number, name in version.KNOWN_RELEASES.items()},
            {name: environment.major(name) for name in environment.releases()},
        )

    def test_only_what_is_pinned_is_installed(self):
        self.assertEqual(
            ['nova', 'oslo-test'],
            environment.wanted(
                '# comment\noslo.test>=1 # Apache-2.0\nbandit>=1\n\n',
                {'nova': '34.0.0', 'oslo-test': '5.0.0', 'unused': '1'},
            ),
        )

    def test_what_the_fixtures_of_nova_import_is_pinned(self):
        for release in environment.releases():
            pinned = environment.pins(release)
            self.assertIn('wsgi-intercept', pinned)
            self.assertIn('openstack-placement', pinned)


class VariablesTest(base.TestCase):
    def test_nothing_of_the_caller_changes_the_tests(self):
        found = main.variables(
            {'PATH': '/bin', 'PYTHONPATH': '/x', 'OS_DEBUG': '1'}, 'eventlet'
        )
        self.assertEqual('/bin', found['PATH'])
        self.assertNotIn('PYTHONPATH', found)
        self.assertNotIn('OS_DEBUG', found)

    def test_the_mode(self):
        for mode, value in (('threading', 'True'), ('eventlet', 'False')):
            self.assertEqual(
                value,
                main.variables({}, mode)['OS_NOVA_DISABLE_EVENTLET_PATCHING'],
            )

    def test_the_mode_of_a_release(self):
        self.assertEqual(
            ['eventlet', 'eventlet', 'eventlet', 'threading'],
            [environment.mode(name) for name in environment.releases()],
        )


class NarrowedTest(base.TestCase):
    def test_both_expressions_have_to_match(self):
        suite = workers.Suite(('m',), select='live|numa', exclude='not')
        narrowed = workers.narrowed(suite, 'a|b')
        self.assertEqual('not', narrowed.exclude)
        for test, selected in (
            ('live.a', True), ('b.numa', True), ('live.c', False),
            ('a.cold', False),
        ):  # fmt: skip
            with self.subTest(test):
                self.assertEqual(
                    selected, bool(re.search(narrowed.select, test))
                )

    def test_no_expression_leaves_the_suite(self):
        suite = workers.SUITES['unit']
        self.assertIs(suite, workers.narrowed(suite, None))


class OnlyTest(base.TestCase):
    def test_the_ids_and_nothing_else(self):
        suite = workers.only(workers.Suite(('m',)), ['m.a', 'm.b(x)'])
        self.assertEqual(
            ['m.a', 'm.b(x)'],
            [
                test
                for test in ('m.a', 'mxa', 'm.ab', 'm.b(x)', 'n.m.a')
                if re.search(suite.select, test)
            ],
        )

    def test_nothing_or_too_much(self):
        suite = workers.Suite(('m',))
        self.assertIsNone(workers.only(suite, []))
        self.assertIsNone(
            workers.only(
                suite, [str(n) for n in range(workers.MOST_AGAIN + 1)]
            )
        )
