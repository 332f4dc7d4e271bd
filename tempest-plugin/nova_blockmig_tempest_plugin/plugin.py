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

"""What tempest asks of a plug-in."""

import pathlib
from typing import Any

from oslo_config import cfg
from tempest.test_discover import plugins

from nova_blockmig_tempest_plugin import config


class Plugin(plugins.TempestPlugin):
    """Found by tempest through the entry point ``tempest.test_plugins``."""

    def load_tests(self) -> tuple[str, str]:
        """The directory of the tests, and the one to import them from."""
        here = pathlib.Path(__file__).parent
        return str(here / 'tests' / 'scenario'), str(here.parent)

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        conf.register_group(config.GROUP)
        conf.register_opts(config.OPTIONS, group=config.GROUP)

    def get_opt_lists(self) -> list[tuple[str, list[Any]]]:
        return [(config.GROUP.name, config.OPTIONS)]
