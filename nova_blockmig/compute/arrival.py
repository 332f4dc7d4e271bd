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

"""How long a guest stood still that has arrived by block migration.

Only the destination's libvirt knows. The source's forgets the domain together
with its job.
"""

from nova import objects
import nova.conf
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging
from oslo_utils import timeutils

from nova_blockmig.compute import directory
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.core import migration_record

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# libvirt's stable ABI; Nova's fake libvirt does not have the names.
_COMPLETED = 1  # VIR_DOMAIN_JOB_STATS_COMPLETED
_KEEP = 2  # VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED


def record(
    context: nova_types.Context,
    instance: nova_types.Instance,
    host: libvirt_types.Host,
) -> None:
    """Log the destination's line, and let Nova's API tell the downtime.

    The guest runs here: nothing is raised, and what libvirt does not say is
    left out. libvirt answers without waiting for QEMU.

    :param context: of the request, which Nova keeps the event with.
    """
    try:
        path = libvirt_utils.get_instance_path(instance)
        mark = directory.marking(path, instance)
        if mark is None:
            return  # It did not come by block migration.
        found = migration_record.ArrivalRecord(
            instance=instance.uuid,
            source=str(mark['source']),
            destination=CONF.host,
            migration=str(mark.get('migration') or ''),
            ended=round(timeutils.utcnow_ts(microsecond=True), 3),
            **_downtimes(instance, host),
        )
        LOG.info('%s', found.to_line(), instance=instance)
        if found.downtime_ms is not None:
            _tell(context, instance, found.downtime_ms)
    except Exception as exc:
        LOG.warning(
            'Unable to record how long the guest stood still: %s',
            exc,
            instance=instance,
        )


def _downtimes(
    instance: nova_types.Instance, host: libvirt_types.Host
) -> dict[str, int | None]:
    """Milliseconds, of the job that brought the guest; operators may ask too.
    """  # fmt: skip
    guest = host.get_guest(instance)
    stats = guest._domain.jobStats(_COMPLETED | _KEEP)
    return {
        'downtime_ms': stats.get('downtime'),
        'downtime_net_ms': stats.get('downtime_net'),
    }


def _tell(
    context: nova_types.Context,
    instance: nova_types.Instance,
    downtime_ms: int,
) -> None:
    """An event of the request that has succeeded, with details.

    Nova's own reporter of events has details for failures only.
    """
    now = timeutils.utcnow()
    event = objects.InstanceActionEvent(
        context,
        event=migration_record.DOWNTIME_EVENT,
        start_time=now,
        finish_time=now,
        result='Success',
        host=CONF.host,
        details=migration_record.stood_still(downtime_ms),
    )
    event.create(instance.uuid, context.request_id)
