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

"""What happens when nova-compute starts, and when it cannot."""

from collections.abc import Iterator
import contextlib
from typing import NoReturn

from nova import version as nova_version
from oslo_log import log as logging

from nova_blockmig import version
from nova_blockmig.compute import libvirt_types

LOG = logging.getLogger(__name__)


class _ThreadEnds(BaseException):
    """Nova's thread logs an Exception and goes on; this ends it."""


@contextlib.contextmanager
def ending_on_error(host: libvirt_types.Host) -> Iterator[None]:
    """Let nova-compute end if its driver cannot start.

    Nova's Host starts a thread for connection events that never ends. Python
    waits for it before the process ends if it is a native one, as Nova 34
    has them by default. A nova-compute that cannot start would then stay,
    hung, and nothing would restart it.

    :param host: the nova.virt.libvirt.host.Host of the driver.
    """
    try:
        yield
    except Exception:
        host._conn_event_handler_queue.put(_end_thread)
        raise


def _end_thread() -> NoReturn:
    raise _ThreadEnds


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
