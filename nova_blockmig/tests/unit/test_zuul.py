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

# Defined in openstack-zuul-jobs and tempest; jobs of ours may stand on them.
UPSTREAM = {
    'openstack-tox',
    'openstack-tox-docs',
    'openstack-tox-pep8',
    'openstack-tox-py311',
    'tempest-multinode-full-py3',
}
# Zuul's job attributes that we use; another one is most likely a typo.
ATTRIBUTES = {
    'description',
    'group-vars',
    'irrelevant-files',
    'name',
    'override-checkout',
    'parent',
    'required-projects',
    'timeout',
    'vars',
}


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

    def test_a_job_is_run_before_and_at_the_gate(self) -> None:
        check, gate = (self.project[p]['jobs'] for p in ('check', 'gate'))
        self.assertEqual(check, gate)
        self.assertEqual(set(), self.jobs.keys() - set(check))
        self.assertEqual(set(), set(check) - self.jobs.keys() - UPSTREAM)

    def test_tox_environments_exist(self) -> None:
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(ROOT / 'tox.ini')
        named = {name.partition(':')[2] for name in tox.sections()}
        releases = {f'-{release}' for release in _releases()} | {''}
        named |= {
            f'{env}{r}' for env in ('py3', 'functional') for r in releases
        }
        for name in self.jobs:
            wanted = self.variables(name).get('tox_envlist', '')
            if wanted and wanted != 'all':  # tempest's own
                self.assertEqual(set(), {*wanted.split(',')} - named, name)

    def test_every_release_is_tested(self) -> None:
        newest = _releases()[-1]
        tested = {
            (env, self.variables(name).get('tox_extra_args', ''))
            for name in self.jobs
            for env in self.variables(name).get('tox_envlist', '').split(',')
        }
        for release in _releases():
            suffix = '' if release == newest else f'-{release}'
            self.assertIn((f'functional{suffix}', ''), tested)
            if release == newest:
                self.assertIn(
                    'openstack-tox-py311', self.project['check']['jobs']
                )
            else:
                self.assertIn((f'py3{suffix}', ''), tested)
            for env in ('nova-contract', 'nova-contract-functional'):
                self.assertIn((env, f'-- {release}'), tested)

    def test_every_release_is_migrated_with(self) -> None:
        newest = _releases()[-1]
        parent = 'nova-blockmig-live-migration'
        tested = {
            job['override-checkout'].removeprefix('stable/'): name
            for name, job in self.jobs.items()
            if job['parent'] == parent
        }
        tested[newest] = parent
        self.assertEqual(_releases(), sorted(tested))
        for release, name in tested.items():
            if release != newest:
                self.assertEqual(f'{parent}-{release}'.replace('.', '-'), name)

    def test_the_mixed_job_has_a_stock_subnode(self) -> None:
        mixed = self.jobs['nova-blockmig-live-migration-mixed']
        self.assertIn('nova-blockmig', mixed['vars']['devstack_plugins'])
        self.assertNotIn('group-vars', mixed)
        both = self.jobs['nova-blockmig-live-migration']
        self.assertIn(
            'nova-blockmig', both['group-vars']['subnode']['devstack_plugins']
        )

    def test_our_tempest_tests_are_chosen(self) -> None:
        tests = 'nova_blockmig.tests.tempest.test_block_migration.Test.test_x'
        for job in self.jobs.values():
            if regex := job.get('vars', {}).get('tempest_test_regex'):
                self.assertTrue(re.search(regex, tests))
                self.assertIn('nova-blockmig', job['vars']['tempest_plugins'])
