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

"""The line that each block migration leaves in the source's log."""

from collections.abc import Iterator
import contextlib
import dataclasses
import time

import nova.conf
from oslo_log import log as logging

from nova_blockmig.compute import nova_types
from nova_blockmig.compute import progress
from nova_blockmig.core import migration_record
from nova_blockmig.core import model
from nova_blockmig.core import progress as core_progress

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_NOTHING = core_progress.Progress()


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What the source did before libvirt copies.

    :ivar disk_plans: how each disk is transferred.
    :ivar flattened: what was pulled into overlays.
    """

    disk_plans: tuple[model.DiskPlan, ...] = ()
    flattened: core_progress.Progress = _NOTHING


@contextlib.contextmanager
def recorded(
    instance: nova_types.Instance,
    destination: str,
    watched: progress.MonitoredGuest,
    migration: nova_types.Migration,
    transfer: Transfer,
) -> Iterator[None]:
    """Log the one line that a block migration leaves behind.

    The line is never in the way of the migration, nor of what ended it.

    :param migration: Nova's record; its status tells how Nova ended it.
    """
    started = time.monotonic()
    reason = ''
    try:
        yield
    except Exception as exc:
        reason = str(exc)
        raise
    finally:
        result = migration.status
        if reason or result not in ('completed', 'cancelled'):
            result = 'failed'
        try:
            record = migration_record.MigrationRecord(
                instance=instance.uuid,
                source=CONF.host,
                destination=destination,
                result=result,
                reason=reason,
                seconds=round(time.monotonic() - started, 3),
                disks=tuple(
                    _disk_record(watched, p) for p in transfer.disk_plans
                ),
            )
            LOG.info('%s', record.to_line(), instance=instance)
        except Exception:
            LOG.exception(
                'Unable to log what the migration did', instance=instance
            )


def _disk_record(
    watched: progress.MonitoredGuest, plan: model.DiskPlan
) -> migration_record.DiskRecord:
    copied = watched.disks.get(plan.disk.target)
    return migration_record.DiskRecord(
        name=plan.disk.name,
        method=plan.method.value,
        copied_bytes=copied.progress.total_bytes if copied else None,
        seconds=copied.seconds() if copied else None,
    )
