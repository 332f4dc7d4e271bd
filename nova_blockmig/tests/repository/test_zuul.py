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

"""The jobs in .zuul.yaml, as far as they can be checked without a Zuul."""

import configparser
import pathlib
import re
from typing import Any

import yaml

from nova_blockmig.tests.unit import base

ROOT = pathlib.Path(__file__).parents[3]

# Defined in openstack-zuul-jobs and tempest; jobs of ours are based on them.
UPSTREAM = {'openstack-tox', 'tempest-multinode-full-py3'}
# Zuul's job attributes that we use; another one is most likely a typo.
ATTRIBUTES = {
    'abstract',
    'description',
    'group-vars',
    'irrelevant-files',
    'name',
    'nodeset',
    'override-checkout',
    'parent',
    'required-projects',
    'timeout',
    'vars',
    'voting',
}
PIPELINES = {'check', 'gate', 'periodic-weekly'}
SCENARIOS = 'nova_blockmig_tempest_plugin.tests.scenario'


def _load() -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    entries = yaml.safe_load((ROOT / '.zuul.yaml').read_text())
    jobs = [entry['job'] for entry in entries if 'job' in entry]
    (project,) = [e['project'] for e in entries if 'project' in e]
    return {job['name']: job for job in jobs}, project


def _releases() -> list[str]:
    return sorted(path.stem for path in (ROOT / 'constraints').glob('2*.txt'))


class ZuulTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.jobs, self.project = _load()

    def variables(self, name: str) -> dict[str, Any]:
        """A job's variables, with what it inherits from others of ours."""
        if name not in self.jobs:
            return {}
        job = self.jobs[name]
        own: dict[str, Any] = job.get('vars', {})
        return self.variables(job['parent']) | own

    def test_attributes(self) -> None:
        for job in self.jobs.values():
            self.assertEqual(set(), job.keys() - ATTRIBUTES, job['name'])
            self.assertIn(job['parent'], UPSTREAM | self.jobs.keys())

    def run_in(self, *pipelines: str) -> set[str]:
        """The jobs that pipelines name, those of templates aside."""
        return {
            name
            for pipeline in pipelines
            for name in self.project[pipeline]['jobs']
        }

    def test_every_job_runs_somewhere(self) -> None:
        self.assertEqual(PIPELINES | {'templates'}, set(self.project))
        abstract = {n for n, job in self.jobs.items() if job.get('abstract')}
        self.assertEqual(self.jobs.keys() - abstract, self.run_in(*PIPELINES))

    def test_the_gate_asks_what_the_check_asked(self) -> None:
        """And nothing that may fail without a change of ours."""
        self.assertLessEqual(self.run_in('gate'), self.run_in('check'))
        for name in self.run_in('gate'):
            self.assertTrue(self.jobs[name].get('voting', True), name)

    def test_tox_environments_exist(self) -> None:
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(ROOT / 'tox.ini')
        named = {name.partition(':')[2] for name in tox.sections()}
        releases = {f'-{release}' for release in _releases()} | {''}
        named |= {
            f'{env}{release}'
            for env in ('py3', 'functional', 'repository')
            for release in releases
        }
        for name in self.jobs:
            wanted = self.variables(name).get('tox_envlist', '')
            if wanted and wanted != 'all':  # tempest's own
                self.assertEqual(set(), {*wanted.split(',')} - named, name)

    def test_every_release_is_tested(self) -> None:
        """The newest one's unit tests are openstack-python3-jobs'."""
        tested = {
            (env, self.variables(name).get('tox_extra_args', ''))
            for name in self.run_in(*PIPELINES)
            for env in self.variables(name).get('tox_envlist', '').split(',')
        }
        self.assertIn('openstack-python3-jobs', self.project['templates'])
        for release in _releases():
            self.assertIn((f'functional-{release}', ''), tested)
            if release != _releases()[-1]:
                self.assertIn((f'py3-{release}', ''), tested)
            for env in ('nova-contract', 'nova-contract-functional'):
                self.assertIn((env, f'-- {release}'), tested)

    def test_every_older_release_is_migrated_with(self) -> None:
        self.assertEqual(
            {f'stable/{release}' for release in _releases()[:-1]},
            {
                job['override-checkout']
                for job in self.jobs.values()
                if 'override-checkout' in job
            },
        )

    def test_our_tempest_tests_are_chosen(self) -> None:
        tests = f'{SCENARIOS}.test_block_migration.Test.test_x'
        directory = ROOT / 'tempest-plugin' / SCENARIOS.replace('.', '/')
        self.assertTrue((directory / 'test_block_migration.py').exists())
        for job in self.jobs.values():
            if regex := job.get('vars', {}).get('tempest_test_regex'):
                self.assertTrue(re.search(regex, tests))
                self.assertIn(
                    'nova-blockmig/tempest-plugin',
                    job['vars']['tempest_plugins'],
                )
