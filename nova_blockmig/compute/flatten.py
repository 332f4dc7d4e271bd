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

"""Pulling a base into its overlay under a running or paused guest.

The work is QEMU's block-stream job, through Nova's own BlockDevice. It is
crash-safe: the overlay is whole at every moment, with its base until the job
ends and without it afterwards. A restarted nova-compute finds the job going
on, and the next attempt has less to do.
"""

from collections.abc import Callable
from collections.abc import Iterable
import time

from nova import exception
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_blockmig.compute import disk_info
from nova_blockmig.compute import known_versions
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import progress
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.core import progress as core_progress

LOG = logging.getLogger(__name__)

POLL_SECONDS = 0.5
REPORT_SECONDS = 10.0


def flatten_all(
    driver: libvirt_types.Driver,
    instance: nova_types.Instance,
    disk_plans: Iterable[model.DiskPlan],
    interrupted: Callable[[], str | None],
) -> core_progress.Progress:
    """Flatten one disk after the other.

    :returns: the bytes that were pulled, of all.
    :raises errors.FlattenFailed: as :func:`flatten`.
    """
    report = progress.FlattenProgress(instance)
    disk_plans = tuple(disk_plans)
    if not disk_plans:
        return report.shown
    known_versions.warn_of_flattening(driver._host, instance)
    guest = driver._host.get_guest(instance)
    for disk_plan in disk_plans:
        flatten(
            instance,
            guest,
            disk_plan.disk,
            disk_plan.reason,
            interrupted,
            report.update,
        )
        report.disk_done()
    return report.shown


def flatten(
    instance: nova_types.Instance,
    guest: libvirt_types.Guest,
    disk: model.Disk,
    reason: str,
    interrupted: Callable[[], str | None],
    report: Callable[[int, int], None],
) -> None:
    """Make disk independent of its base; returns when that is done.

    :param guest: nova's libvirt Guest of the instance.
    :param reason: why, for the log.
    :param interrupted: asked at every poll; what it answers ends the job,
        and is the reason.
    :param report: told at every poll how many bytes of how many are done.
    :raises errors.FlattenFailed: libvirt refused or ended the job, or it was
        interrupted. The disk is intact in each case.
    """
    LOG.info(
        'Flattening %(disk)s before the migration: %(reason)s',
        {'disk': disk.name, 'reason': reason},
        instance=instance,
    )
    device = guest.get_block_device(disk.target)
    started = time.monotonic()
    try:
        if device.get_job_info() is None:
            device.rebase(None)
        _wait(instance, device, disk, interrupted, report)
    except libvirt_driver.libvirt.libvirtError as exc:
        raise errors.FlattenFailed(disk.name, str(exc)) from exc
    # That a job is gone does not say that it succeeded; the header does.
    if _backing_file(disk):
        raise errors.FlattenFailed(
            disk.name, 'QEMU ended the job before it was complete'
        )
    LOG.info(
        'Flattened %(disk)s in %(seconds).1f s',
        {'disk': disk.name, 'seconds': time.monotonic() - started},
        instance=instance,
    )


def _wait(
    instance: nova_types.Instance,
    device: libvirt_types.BlockDevice,
    disk: model.Disk,
    interrupted: Callable[[], str | None],
    report: Callable[[int, int], None],
) -> None:
    reported = time.monotonic()
    while (job := device.get_job_info()) is not None:
        if reason := interrupted():
            device.abort_job()
            raise errors.FlattenFailed(disk.name, reason)
        report(job.cur, job.end)
        if time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            LOG.info(
                'Flattening %(disk)s: %(done)d of %(all)d MiB',
                {
                    'disk': disk.name,
                    'done': job.cur // 2**20,
                    'all': job.end // 2**20,
                },
                instance=instance,
            )
        time.sleep(POLL_SECONDS)


def _backing_file(disk: model.Disk) -> str | None:
    try:
        return disk_info.image_header(disk.path).backing_file
    except (OSError, exception.NovaException) as exc:
        raise errors.FlattenFailed(disk.name, str(exc)) from exc


def aborted(virtapi: nova_types.VirtApi, instance_uuid: str) -> bool:
    """Whether ``nova live-migration-abort`` was called for the instance.

    While a migration is prepared, Nova's compute manager takes an aborted
    one out of ``_waiting_live_migrations`` and looks there when the
    preparation is over; the driver is not told. A virt API without a
    manager (a test's) has nobody who could abort.
    """
    manager = nova.manager(virtapi)
    waiting = getattr(manager, '_waiting_live_migrations', None)
    return waiting is not None and instance_uuid not in waiting
