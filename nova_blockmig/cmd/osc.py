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

"""``openstack blockmig ...``: the commands as plug-ins of that client.

The names are those that the client looks for in a plug-in.
"""

import argparse
from typing import Any

DEFAULT_API_VERSION = '1'
API_VERSION_OPTION = 'os_blockmig_api_version'
API_NAME = 'blockmig'
API_VERSIONS = {'1': 'nova_blockmig.cmd.osc.Client'}


class Client:
    """Nothing: the commands take the client's own SDK connection."""


def make_client(instance: Any) -> Client:
    """The client of an API that there is not."""
    return Client()


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """There are no options of ours for all commands."""
    return parser
