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

import pathlib
import tomllib

import yaml

import nova_blockmig
from nova_blockmig import version
from nova_blockmig.tests.repository import tools
from nova_blockmig.tests.unit import base

ROOT = pathlib.Path(nova_blockmig.__file__).parent.parent


def pins(release: str) -> dict[str, str]:
    lines = (ROOT / 'constraints' / f'{release}.txt').read_text().splitlines()
    # A pin may have a marker for one Python; which does not matter here.
    pairs = [
        line.partition(';')[0].split('==', 1)
        for line in lines
        if not line.startswith('#')
    ]
    return dict(pairs)


class TestPins(base.TestCase):
    def test_every_known_release_is_pinned(self) -> None:
        for number, release in version.KNOWN_RELEASES.items():
            self.assertEqual(str(number), pins(release)['nova'].split('.')[0])

    def test_made_for_each_python_that_we_claim(self) -> None:
        text = (ROOT / 'pyproject.toml').read_text()
        classifiers = tomllib.loads(text)['project']['classifiers']
        claimed = {line.rpartition(' ')[2] for line in classifiers}
        pythons = tools.load('update-constraints').PYTHONS
        self.assertEqual(set(), {*pythons} - claimed)
        for release in version.KNOWN_RELEASES.values():
            content = (ROOT / 'constraints' / f'{release}.txt').read_text()
            self.assertIn(f'Python {" and ".join(pythons)},', content[:80])
            # What only the newer Python needs, and the older alone.
            self.assertIn('legacy-cgi', pins(release))
            self.assertIn('async-timeout', pins(release))

    def test_pre_commit_uses_the_pinned_tools(self) -> None:
        config = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
        (repo,) = config['repos']
        newest = pins(max(version.KNOWN_RELEASES.values()))
        for hook in repo['hooks']:
            for dependency in hook['additional_dependencies']:
                name, pin = dependency.split('==')
                self.assertEqual(newest[name], pin, hook['id'])
