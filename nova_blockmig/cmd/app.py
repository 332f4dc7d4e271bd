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

"""The program ``nova-blockmig``."""

import argparse
from collections.abc import Sequence
import functools
import logging
import sys
from typing import Any
import warnings

from cliff import app
from cliff import commandmanager
import openstack

from nova_blockmig import version

COMMANDS = 'nova_blockmig.commands'


class _Clients:
    """What a plug-in of the openstack client finds in its application."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    @functools.cached_property
    def sdk_connection(self) -> Any:
        return openstack.connect(
            cloud=self._options.os_cloud or None,
            app_name='nova-blockmig',
            app_version=version.package_version(),
            **(
                {'region_name': self._options.os_region_name}
                if self._options.os_region_name
                else {}
            ),
        )


class App(app.App):
    """Options that all commands have, and their clients."""

    NAME = 'nova-blockmig'
    LOG = logging.getLogger('nova-blockmig')

    def __init__(self, **streams: Any) -> None:
        super().__init__(
            description='Check and watch block live migrations, and drain '
            'and restore compute hosts. For cloud administrators.',
            version=version.package_version(),
            command_manager=commandmanager.CommandManager(COMMANDS),
            deferred_help=True,
            **streams,
        )

    def build_option_parser(
        self, *args: Any, **kwargs: Any
    ) -> argparse.ArgumentParser:
        """The options that all commands have."""
        parser = super().build_option_parser(*args, **kwargs)
        parser.add_argument(
            '--os-cloud',
            metavar='NAME',
            default='',
            help='Cloud name in clouds.yaml (Env: OS_CLOUD; if neither is '
            'set, OS_AUTH_URL and the related variables are used)',
        )
        parser.add_argument(
            '--os-region-name',
            metavar='NAME',
            default='',
            help='Region name (Env: OS_REGION_NAME)',
        )
        return parser

    def configure_logging(self) -> None:
        """Libraries say nothing, unless --verbose or --debug asks them."""
        super().configure_logging()
        if self.options.verbose_level > 1:
            return
        logging.getLogger('').setLevel(logging.CRITICAL)
        self.LOG.setLevel(logging.WARNING)
        warnings.simplefilter('ignore')

    def initialize_app(self, argv: Sequence[str]) -> None:
        """Know the clients before a command runs."""
        self.client_manager = _Clients(self.options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Without one, the help is shown."""
    words = list(sys.argv[1:] if argv is None else argv)
    return int(App().run(words or ['--help']))
