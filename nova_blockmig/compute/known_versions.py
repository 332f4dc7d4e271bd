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

"""Known defects of this host's QEMU and libvirt, said at the right time."""

from nova import exception
import nova.conf
from oslo_log import log as logging

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.core import known_bad

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# libvirt's stable ABI; Nova's fake libvirt does not have the name.
_SYNCHRONOUS_WRITES = 1 << 18


def versions(
    libvirt_version: int, qemu_version: int
) -> dict[known_bad.Product, known_bad.Version]:
    """What runs here, from the numbers that libvirt gives."""
    return {
        known_bad.Product.LIBVIRT: known_bad.version(libvirt_version),
        known_bad.Product.QEMU: known_bad.version(qemu_version),
    }


def check_at_start(
    here: dict[known_bad.Product, known_bad.Version], used: int
) -> None:
    """Log a warning for each defect that applies to this host.

    :param used: the flags of block migrations from this host.
    :raises nova.exception.InvalidConfiguration: one ends a guest for certain.
    """
    conditions = {known_bad.When.ALWAYS, known_bad.When.INCOMING}
    if used & _SYNCHRONOUS_WRITES:
        conditions.add(known_bad.When.SYNCHRONOUS_WRITES)
    if CONF.libvirt.live_migration_with_native_tls:
        conditions.add(known_bad.When.TLS)
    for entry in known_bad.found(here, conditions):
        sentence = entry.sentence(here[entry.product])
        if entry.action is known_bad.Action.REFUSE_START:
            raise exception.InvalidConfiguration(sentence)
        LOG.warning(sentence)


def warn_of_flattening(
    host: libvirt_types.Host, instance: nova_types.Instance
) -> None:
    """Log what may go wrong while a disk is flattened.

    :param host: the nova.virt.libvirt.host.Host of the driver.
    """
    connection = host.get_connection()
    here = versions(connection.getLibVersion(), connection.getVersion())
    for entry in known_bad.found(here, {known_bad.When.FLATTEN}):
        LOG.warning(entry.sentence(here[entry.product]), instance=instance)
