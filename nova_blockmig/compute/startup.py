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

"""What nova-compute's log says of this driver when the service starts."""

from nova import version as nova_version
from oslo_log import log as logging

from nova_blockmig import version

LOG = logging.getLogger(__name__)


def log(options: str) -> None:
    """One line with the versions and the options in force.

    And a warning, if this release of Nova was not tested.

    :param options: the options of ``[blockmig]``, in one line.
    """
    nova = nova_version.version_string()
    LOG.info(
        'nova-blockmig %(version)s with Nova %(nova)s: %(options)s',
        {
            'version': version.package_version(),
            'nova': nova,
            'options': options,
        },
    )
    if caution := version.caution(nova):
        LOG.warning(caution)
