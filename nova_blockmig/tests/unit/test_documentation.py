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


"""The examples of the documentation are run, or they would rot."""

import doctest
import pathlib

import nova.conf
from oslo_config import fixture as config_fixture

from nova_blockmig.tests.unit import base

REFERENCE = pathlib.Path(__file__).parents[3] / 'doc/source/reference'


class ResourceCheckTest(base.TestCase):
    def test_examples(self):
        conf = self.useFixture(config_fixture.Config(nova.conf.CONF))
        conf.config(update_resources_interval=0)
        failed, tried = doctest.testfile(
            str(REFERENCE / 'resource-check.rst'), module_relative=False
        )
        self.assertEqual((0, True), (failed, tried > 10))
