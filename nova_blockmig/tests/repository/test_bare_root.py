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

"""tools/bare-root, which has no .py in its name."""

import pathlib

import testtools

from nova_blockmig.tests.repository import tools
from nova_blockmig.tests.unit import base

TOOL = tools.load('bare-root')
LISTING = """\
bookworm|http://mirror.example/debian/|main
bookworm|http://mirror.example/debian/|contrib
bookworm-updates|http://mirror.example/debian/|main
bookworm-security|http://mirror.example/debian-security/|main
nodistro|http://other.example/node/|main
"""


class SourcesTest(base.TestCase):
    def found(self, release: str) -> list[tuple[str, str, str]]:
        targets = TOOL.targets(LISTING)
        result: list[tuple[str, str, str]] = TOOL.translated(
            targets, 'bookworm', release
        )
        return result

    def test_another_release_of_the_same_mirrors(self) -> None:
        key = pathlib.Path('/key.gpg')
        self.assertEqual(
            'deb [signed-by=/key.gpg] http://mirror.example/debian/ '
            'trixie main contrib\n'
            'deb [signed-by=/key.gpg] http://mirror.example/debian/ '
            'trixie-updates main\n'
            'deb [signed-by=/key.gpg] http://mirror.example/debian-security/ '
            'trixie-security main\n',
            TOOL.sources(self.found('trixie'), key),
        )

    def test_own_release(self) -> None:
        self.assertEqual(
            'http://mirror.example/debian/',
            TOOL.mirror(self.found('bookworm'), 'bookworm'),
        )

    def test_every_line_once(self) -> None:
        self.assertEqual(5, len(TOOL.targets(LISTING + LISTING)))

    def test_no_mirror_of_this_release(self) -> None:
        targets = TOOL.targets(LISTING)
        with testtools.ExpectedException(TOOL.Refused, '.*no mirror.*'):
            TOOL.translated(targets, 'trixie', 'bookworm')


class SettingsTest(base.TestCase):
    def test_only_the_ways_to_a_mirror(self) -> None:
        self.assertEqual(
            'Acquire::http::Proxy "http://proxy.example:3128";\n'
            'Acquire::Check-Valid-Until "false";\n',
            TOOL.apt_settings(
                'Acquire "";\n'
                'Acquire::http "";\n'
                'Acquire::http::Proxy "http://proxy.example:3128";\n'
                'Acquire::Check-Valid-Until "false";\n'
                'Acquire::Languages:: "en";\n'
            ),
        )


class EnvironmentTest(base.TestCase):
    def test_what_package_indexes_need_and_nothing_else(self) -> None:
        variables, paths = TOOL.environment(
            {
                'PIP_INDEX_URL': 'https://index.example/simple',
                'PIP_CERT': '/etc/ssl/certs/ca.crt',
                'https_proxy': 'http://proxy.example:3128',
                'PATH': '/home/me/bin:/usr/bin',
                'PYTHONDONTWRITEBYTECODE': '1',
                'PYENV_ROOT': '/root/.pyenv',
                'OS_PASSWORD': 'secret',
            }
        )
        self.assertEqual(
            {
                'PIP_INDEX_URL': 'https://index.example/simple',
                'PIP_CERT': '/etc/ssl/certs/ca.crt',
                'https_proxy': 'http://proxy.example:3128',
                **TOOL.EVERYWHERE,
            },
            variables,
        )
        self.assertEqual({'/etc/ssl/certs/ca.crt'}, paths)
        self.assertNotIn('/home', variables['PATH'])
