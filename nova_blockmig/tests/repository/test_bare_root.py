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

from nova_blockmig.tests.repository import tools
from nova_blockmig.tests.unit import base

TOOL = tools.load('bare-root')


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
