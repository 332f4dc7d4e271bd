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
"""What Nova's manager claims here before the last check of a destination.

The manager leaves it as it is if that check refuses: until the tracker runs
again, the CPUs, memory pages and PCI devices are missing here.
"""

from collections.abc import Iterator
import contextlib

from oslo_log import log as logging
from oslo_utils import excutils

from nova_blockmig.compute import nova
from nova_blockmig.compute import nova_types

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def dropped_on_error(
    virtapi: nova_types.VirtApi,
    context: nova_types.Context,
    instance: nova_types.Instance,
    data: nova_types.MigrateData,
) -> Iterator[None]:
    """Give back what was claimed if the check inside it fails.

    As Nova does it when a live migration is rolled back.

    :param data: the migrate data, which says what was claimed.
    """
    try:
        yield
    except Exception:
        with excutils.save_and_reraise_exception():
            if manager := nova.manager(virtapi):
                _drop(manager, context, instance, data)


def _drop(
    manager: nova_types.Manager,
    context: nova_types.Context,
    instance: nova_types.Instance,
    data: nova_types.MigrateData,
) -> None:
    try:
        if 'dst_numa_info' in data:
            manager.drop_move_claim_at_destination(context, instance)
        if _claimed_pci(data):
            manager.rt.free_pci_device_claims_for_instance(context, instance)
    except Exception:
        # The tracker's next run counts what is there; the reason of the
        # refusal is what the operator needs.
        LOG.exception('Unable to drop the claims', instance=instance)


def _claimed_pci(data: nova_types.MigrateData) -> bool:
    if 'pci_dev_map_src_dst' in data and data.pci_dev_map_src_dst:
        return True
    return 'vifs' in data and any(
        'pci_slot' in vif.profile
        for vif in data.vifs or ()
        if 'profile_json' in vif
    )
