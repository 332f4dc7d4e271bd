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

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import dataclasses
import time

import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import progress
from nova_blockmig.core import migration_record
from nova_blockmig.core import model
from nova_blockmig.core import progress as core_progress

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# libvirt's stable ABI; Nova's fake libvirt does not have the name.
_OPERATION_ABORTED = 78  # VIR_ERR_OPERATION_ABORTED
_NOTHING_YET = 1
"""Bytes; libvirt says so of a block job of which QEMU has no figures."""
_NOTHING = core_progress.Progress()


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What the source did before libvirt copies.

    :ivar disk_plans: how each disk is transferred.
    :ivar flattened: what was pulled into overlays.
    """

    disk_plans: tuple[model.DiskPlan, ...] = ()
    flattened: core_progress.Progress = _NOTHING


@dataclasses.dataclass
class Copy:
    """How libvirt's copy ended, if not well.

    Written by the thread that libvirt's migration runs in, and read by the
    monitor once that has ended.

    :ivar reason: in libvirt's words, or ours.
    :ivar aborted: somebody ended it deliberately.
    """

    reason: str = ''
    aborted: bool = False

    def failed(self, exc: Exception) -> None:
        """Keep what libvirt raised."""
        self.reason = str(exc)
        self.aborted = (
            isinstance(exc, libvirt_driver.libvirt.libvirtError)
            and exc.get_error_code() == _OPERATION_ABORTED
        )


@contextlib.contextmanager
def recorded(
    instance: nova_types.Instance,
    destination: str,
    watched: progress.MonitoredGuest,
    migration: nova_types.Migration,
    transfer: Transfer,
    copy: Copy,
) -> Iterator[None]:
    """Log the one line that a block migration leaves behind.

    The line is never in the way of the migration, nor of what ended it.

    :param migration: Nova's record; its status tells how Nova ended it.
    """
    started = time.monotonic()
    error = ''
    try:
        yield
    except Exception as exc:
        error = str(exc)
        raise
    finally:
        result = migration.status
        if error or result not in ('completed', 'cancelled'):
            result = 'failed'
        reason = '' if result == 'completed' else error or copy.reason
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
                migration=migration.uuid,
                ended=round(time.time(), 3),
            )
            LOG.info('%s', record.to_line(), instance=instance)
        except Exception:
            LOG.exception(
                'Unable to log the summary of the migration', instance=instance
            )


class Records:
    """What is known of the migrations that leave this host.

    From the end of their preparation to the end of their copy.
    """

    def __init__(self) -> None:
        self._transfers: dict[str, Transfer] = {}
        self._copies: dict[str, Copy] = {}

    def prepared(
        self, instance: nova_types.Instance, transfer: Transfer
    ) -> None:
        """A migration begins that is not an earlier one."""
        self._copies.pop(instance.uuid, None)
        self._transfers[instance.uuid] = transfer

    def copy(self, instance: nova_types.Instance) -> Copy:
        """The one that goes on, for its two threads."""
        return self._copies.setdefault(instance.uuid, Copy())

    @contextlib.contextmanager
    def watching(
        self,
        instance: nova_types.Instance,
        destination: str,
        guest: libvirt_types.Guest,
        disk_paths: Iterable[str],
        migrate_data: nova_types.MigrateData,
    ) -> Iterator[progress.MonitoredGuest]:
        """Give Nova's monitor a guest that tells the bytes of its disks.

        :param disk_paths: files of the disks that libvirt copies.
        """
        transfer = self._transfers.pop(instance.uuid, Transfer())
        copy = self.copy(instance)
        watched = progress.MonitoredGuest(
            instance, guest, disk_paths, transfer.flattened
        )
        with recorded(
            instance,
            destination,
            watched,
            migrate_data.migration,
            transfer,
            copy,
        ):
            yield watched
        self._copies.pop(instance.uuid, None)


def _disk_record(
    watched: progress.MonitoredGuest, plan: model.DiskPlan
) -> migration_record.DiskRecord:
    # A copy that was over before it was looked at is not one of 0 bytes.
    copied = watched.disks.get(plan.disk.target)
    if copied and copied.progress.total_bytes <= _NOTHING_YET:
        copied = None
    return migration_record.DiskRecord(
        name=plan.disk.name,
        method=plan.method.value,
        copied_bytes=copied.progress.total_bytes if copied else None,
        seconds=copied.seconds() if copied else None,
    )
