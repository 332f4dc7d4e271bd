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

"""What Nova's monitor sees of the guest that is being migrated.

Nova's ``_live_migration_monitor`` takes every figure from the guest object
that it is given and saves them in the migration record. libvirt's job
statistics have no disk bytes while QEMU mirrors the disks; its block jobs
do. And Nova raises the downtime that it allows by steps that count disk
bytes and begin with the copy of the disks, so that after a long copy a busy
guest waits at the first step for hours.
"""

from collections.abc import Callable
from collections.abc import Iterable
import time
from typing import TypeVar

from nova import context as nova_context
from nova import exception
from nova import objects
import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest
from nova.virt.libvirt import migration as libvirt_migrate
from oslo_log import log as logging
import oslo_messaging as messaging

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.core import progress

T = TypeVar('T')

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_INTERVAL = 5
"""Seconds between two figures of Nova's monitor, without an option for it."""

# What the database raises comes from the conductor, as a RemoteError.
_NOT_SAVED = (messaging.MessagingException, exception.NovaException)


class _Disk:
    """One disk that libvirt copies, as its block job was seen last."""

    def __init__(self) -> None:
        self.progress = progress.Progress()
        self.first: float | None = None
        self.last: float | None = None

    def seen(self, done_bytes: int, total_bytes: int, now: float) -> None:
        if self.first is None:
            self.first = now
        self.last = now
        self.progress = progress.Progress(
            min(done_bytes, total_bytes), total_bytes
        )

    def seconds(self) -> float | None:
        if self.first is None or self.last is None:
            return None
        return self.last - self.first


class MonitoredGuest(libvirt_guest.Guest):  # type: ignore[misc]
    """A guest whose job information includes its disks.

    :ivar disks: what is known of each disk that libvirt copies, by the
        name of its device: ``vda``.
    """

    def __init__(
        self,
        instance: nova_types.Instance,
        guest: libvirt_guest.Guest,
        disk_paths: Iterable[str],
        flattened: progress.Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch a guest from the start of its migration.

        :param disk_paths: files of the disks that libvirt copies.
        :param flattened: what was flattened before, counted in.
        """
        super().__init__(guest._domain)
        self._instance = instance
        self._clock = clock
        paths = frozenset(disk_paths)
        self.disks = {
            disk.target_dev: _Disk()
            for disk in guest.get_all_disks()
            if disk.source_path in paths
        }
        self._flattened = flattened
        self._shown = flattened
        # As Nova's _live_migration_data_gb counts memory.
        memory_gb = max(2.0, instance.flavor.memory_mb / 1024)
        self._steps = list(libvirt_migrate.downtime_steps(memory_gb))
        self._memory_since: float | None = None
        self._downtime_ms: int | None = None

    def get_job_info(self) -> libvirt_types.JobInfo:
        """libvirt's job information, with the bytes of the disks."""
        libvirt = libvirt_driver.libvirt
        info: libvirt_types.JobInfo = super().get_job_info()
        if info.type in (
            libvirt.VIR_DOMAIN_JOB_NONE,
            libvirt.VIR_DOMAIN_JOB_UNBOUNDED,
        ):
            self._look_at_disks()
        if info.type == libvirt.VIR_DOMAIN_JOB_UNBOUNDED:
            self._allow_downtime(info)
        info.disk_total = self._shown.total_bytes
        info.disk_processed = self._shown.done_bytes
        info.disk_remaining = self._shown.left_bytes
        return info

    def migrate_configure_max_downtime(self, mstime: int) -> None:
        """Set the downtime that Nova's schedule allows.

        Unless ours, which does not count the disks, allows more already.
        """
        if self._downtime_ms is None or mstime > self._downtime_ms:
            super().migrate_configure_max_downtime(mstime)

    def saving_as_done(
        self, post_method: Callable[..., T]
    ) -> Callable[..., T]:
        """Nova's post_method, once its record says that no byte is left."""

        def save_and_call(
            context: nova_types.Context,
            instance: nova_types.Instance,
            dest: str,
            block_migration: bool,
            migrate_data: nova_types.MigrateData,
        ) -> T:
            self._shown = self._shown.finished()
            _save(instance, migrate_data.migration, self._shown)
            return post_method(
                context, instance, dest, block_migration, migrate_data
            )

        return save_and_call

    def _look_at_disks(self) -> None:
        now = self._clock()
        for target, disk in self.disks.items():
            try:
                job = self.get_block_device(target).get_job_info()
            except libvirt_driver.libvirt.libvirtError:
                # The domain has just gone, or is busy: ask the next time.
                continue
            if job is not None:
                disk.seen(job.cur, job.end, now)
        self._shown = progress.overall(
            self._shown,
            (self._flattened, *(d.progress for d in self.disks.values())),
        )

    def _allow_downtime(self, info: libvirt_types.JobInfo) -> None:
        """Raise the allowed downtime by Nova's steps for a guest's memory.

        They begin with the memory, which libvirt copies once all disks are
        in step.
        """
        if not info.memory_total:
            return
        if self._memory_since is None:
            self._memory_since = self._clock()
        self._downtime_ms = libvirt_migrate.update_downtime(
            libvirt_guest.Guest(self._domain),
            self._instance,
            self._downtime_ms,
            self._steps,
            self._clock() - self._memory_since,
        )


class FlattenProgress:
    """Shows in Nova's migration record how far the flattening is.

    Saved as seldom as Nova's monitor saves its own figures.
    """

    def __init__(
        self,
        instance: nova_types.Instance,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._instance = instance
        self._clock = clock
        self._before = progress.Progress()
        self._disk = progress.Progress()
        self._saved: float | None = None

    @property
    def shown(self) -> progress.Progress:
        """All disks together."""
        return progress.overall(self._before, (self._before, self._disk))

    def update(self, done_bytes: int, total_bytes: int) -> None:
        """One disk is so far."""
        self._disk = progress.Progress(
            min(done_bytes, total_bytes), total_bytes
        )
        # An option since Nova 34.
        interval = getattr(
            CONF.libvirt, 'live_migration_monitor_interval', _INTERVAL
        )
        now = self._clock()
        if self._saved is None or now - self._saved >= interval:
            self._saved = now
            self._save()

    def disk_done(self) -> None:
        """The disk is flattened; the next one may begin."""
        self._disk = self._disk.finished()
        self._before, self._disk = self.shown, progress.Progress()

    def _save(self) -> None:
        try:
            migration = objects.Migration.get_by_instance_and_status(
                nova_context.get_admin_context(),
                self._instance.uuid,
                'preparing',
            )
        except exception.MigrationNotFoundByStatus:
            # It was aborted in this moment.
            return
        except _NOT_SAVED as exc:
            _warn(self._instance, exc)
            return
        _save(self._instance, migration, self.shown)


def _save(
    instance: nova_types.Instance,
    migration: nova_types.Migration,
    shown: progress.Progress,
) -> None:
    """Save figures, if that can be done now.

    They are for people: a database or a message bus that is restarted must
    end neither a flattening nor a migration whose guest has moved.
    """
    migration.disk_total = shown.total_bytes
    migration.disk_processed = shown.done_bytes
    migration.disk_remaining = shown.left_bytes
    try:
        migration.save()
    except _NOT_SAVED as exc:
        _warn(instance, exc)


def _warn(instance: nova_types.Instance, exc: Exception) -> None:
    LOG.warning(
        'Unable to save the progress of the migration: %s',
        exc,
        instance=instance,
    )
