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

"""debian/control; tools/debian-package builds the package and tries it."""

import re

from nova_blockmig import version
from nova_blockmig.tests.repository import tools
from nova_blockmig.tests.unit import base

DEBIAN_NAMES = {'PyYAML': 'yaml', 'python-subunit': 'subunit'}


class ControlTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        text = (tools.ROOT / 'debian' / 'control').read_text()
        self.source, self.package = text.split('\n\n')

    def test_the_oldest_nova_that_we_support(self) -> None:
        wanted = f'python3-nova (>= 2:{min(version.KNOWN_RELEASES)}~)'
        for paragraph in (self.source, self.package):
            self.assertIn(wanted, paragraph)

    def test_what_the_tests_import_is_there_for_the_build(self) -> None:
        """Of what comes without Nova, the build needs each package."""
        named = set(re.findall(r'python3-([\w.-]+)', self.source))
        file = tools.ROOT / 'test-requirements.txt'
        unit = {
            line.partition('>=')[0]
            for line in file.read_text().split('# Nova')[0].splitlines()
        }
        unit = {DEBIAN_NAMES.get(name, name) for name in unit}
        self.assertEqual(set(), unit - named - {'coverage', 'subunit'})
