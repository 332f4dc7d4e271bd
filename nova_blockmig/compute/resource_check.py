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


"""The resource check, as the driver calls it.

At the destination: RAM, the image base, and how much disk there is. At the
source, which knows the disks: whether they fit into it.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import threading
import time
from typing import Any

from nova import exception
import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging
from oslo_utils import units

from nova_blockmig.compute import compute_node
from nova_blockmig.compute import image_cache
from nova_blockmig.compute import images_type
from nova_blockmig.compute import incoming
from nova_blockmig.core import capacity
from nova_blockmig.core import handshake
from nova_blockmig.core import model
from nova_blockmig.core import resource_check
from nova_blockmig.core import verdict
from nova_blockmig.host import files

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Long enough for the two runs of the periodic task after which the record
# counts a migrated instance; see measuring().
_PROMISE_RUNS = 2
_PROMISE_SECONDS = 120


class ResourceCheck:
    """One for each driver, that is for each nova-compute."""

    def __init__(self, driver: Any, policy: model.Policy) -> None:
        self._driver = driver
        self._policy = policy
        # Looking at what is on its way and adding to it are one step.
        self._lock = threading.Lock()
        self._reservations = incoming.Reservations()
        self._measured: tuple[frozenset[str], ...] = ()
        self._measured_at: float | None = None

    # On the destination.

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Note what the record counts that is made of the driver's report.

        The driver reports its resources inside it. A disk counts in
        disk_available_least as soon as its domain is here. The record is
        written a little after the report, so at any moment it is the one of
        the last report or of the one before: what both have is counted.
        """
        try:
            domains = self._driver._host.list_instance_domains(
                only_running=False
            )
            here = frozenset(domain.UUIDString() for domain in domains)
        except libvirt_driver.libvirt.libvirtError:
            # Nova's own report copes with it or fails; nothing is counted.
            here = frozenset()
        yield
        self._measured = (*self._measured[-1:], here)
        self._measured_at = time.monotonic()

    def at_destination(
        self,
        context: Any,
        instance: Any,
        row: Any,
        data: Any,
        block_migration: bool | None,
        disk_over_commit: bool | None,
    ) -> None:
        """Check what is known here, and tell the source how much disk it has.

        Sets ``disk_available_mb`` of the migrate data, and
        ``disk_over_commit`` where the request leaves it open, so that a
        source with the in-tree driver checks as well. It stays unset for
        ``[blockmig] disk_over_commit = skip``.

        :param row: this host's compute_nodes record.
        :param data: the migrate data for the source, with its filename.
        :raises MigrationPreCheckError: it does not fit.
        """
        if block_migration is False:
            return
        mode = self._mode(disk_over_commit)
        base = None
        if mode is not model.OverCommit.SKIP:
            base = image_cache.to_fetch(
                context, instance, self._driver._image_api
            )
        host = compute_node.from_row(row, confirmed_seconds=self._confirmed())
        with self._lock:
            others = incoming.others(
                context, instance, self._reservations, self._counted()
            )
            disk = None
            if mode is not model.OverCommit.SKIP:
                disk = resource_check.available_disk(
                    host, mode, _room(base), others
                )
            outcome = _on_host(instance, host, base, disk, others)
            _assert_fits(outcome)
            self._reservations.hold(
                incoming.needs(instance), data.filename, CONF.long_rpc_timeout
            )
        lines = [outcome.sentence()]
        if disk is not None:
            # The in-tree driver on the source refuses a negative number even
            # if it has nothing to copy.
            data.disk_available_mb = max(0, disk.bytes or 0) // units.Mi
            data.disk_over_commit = mode is model.OverCommit.ACTUAL
            lines.append(resource_check.check_disk((), mode, disk).offer())
        LOG.info('Resource check: %s', '; '.join(lines), instance=instance)

    def source_agreed(self, instance: Any) -> None:
        """The source's check passed, so the instance will come."""
        self._reservations.checked(instance.uuid, _promise_seconds())

    def check_ended(self, data: Any) -> None:
        """The check is over, whatever came of it.

        :param data: what the destination's check returned.
        """
        self._reservations.end_check(data.filename)

    def arrived(self, instance: Any) -> None:
        """The instance is here, and so are all its disks."""
        self._reservations.arrived(instance.uuid)

    def rolled_back(self, instance: Any) -> None:
        """The instance does not come after all."""
        self._reservations.end(instance.uuid)

    def _mode(self, disk_over_commit: bool | None) -> model.OverCommit:
        if disk_over_commit is None:
            return self._policy.disk_over_commit
        if disk_over_commit:
            return model.OverCommit.ACTUAL
        return model.OverCommit.VIRTUAL

    def _confirmed(self) -> float | None:
        if self._measured_at is None:
            return None
        return time.monotonic() - self._measured_at

    def _counted(self) -> frozenset[str]:
        if len(self._measured) < 2:
            return frozenset()
        return self._measured[0] & self._measured[1]

    # On the source.

    def at_source(
        self,
        instance: Any,
        data: Any,
        needs: Sequence[capacity.DiskNeed],
    ) -> None:
        """Check that the disks fit into what the destination has.

        A destination with the in-tree driver does not say how to check a
        request that leaves it open; the number it sends is for virtual
        sizes. One with nova-blockmig says it, unless there is nothing to
        check.

        :param data: the migrate data, with either host's mark on its
            filename if the destination is one of ours.
        :param needs: the disks as they will be on the destination; see
            :func:`disk_needs`.
        :raises MigrationPreCheckError: they do not fit.
        """
        mode = self._policy.disk_over_commit
        if 'disk_over_commit' in data:
            mode = self._mode(data.disk_over_commit)
        elif _ours(data.filename):
            mode = model.OverCommit.SKIP
        elif mode is model.OverCommit.ACTUAL:
            mode = model.OverCommit.VIRTUAL
        if mode is model.OverCommit.SKIP:
            return
        there = verdict.Available(data.disk_available_mb * units.Mi)
        row = resource_check.check_disk(needs, mode, there)
        outcome = verdict.Verdict(instance.uuid, 'the destination', (row,))
        _assert_fits(outcome)
        LOG.info('Resource check: %s', outcome.sentence(), instance=instance)


def disk_needs(
    disk_plans: Iterable[model.DiskPlan],
) -> tuple[capacity.DiskNeed, ...]:
    """What disks that travel like this need on the destination.

    A base that is taken along, in whatever way, adds to its disk. One that is
    fetched is the image cache's.
    """
    return tuple(
        capacity.DiskNeed(
            name=disk_plan.disk.name,
            virtual_bytes=disk_plan.disk.virtual_bytes,
            allocated_bytes=disk_plan.disk.allocated_bytes,
            added_bytes=(
                disk_plan.disk.base.added_bytes
                if disk_plan.disk.base
                and disk_plan.method is not model.TransferMethod.FETCH
                else 0
            ),
        )
        for disk_plan in disk_plans
    )


def _ours(filename: str) -> bool:
    """Whether the destination runs this driver.

    The source marks the name only if the destination has.
    """
    return (
        handshake.read_destination(filename) is not None
        or handshake.read_source(filename) is not None
    )


def _room(base: capacity.ImageBase | None) -> capacity.DiskSpace:
    in_files = images_type.effective() in ('qcow2', 'raw', 'ploop')
    return capacity.DiskSpace(
        free_bytes=files.free_bytes(CONF.instances_path) if in_files else None,
        reserved_bytes=compute_node.reserved_bytes(),
        base=base,
    )


def _promise_seconds() -> int:
    interval = compute_node.interval()
    if interval is None:
        return _PROMISE_SECONDS
    return max(_PROMISE_SECONDS, _PROMISE_RUNS * interval)


def _on_host(
    instance: Any,
    host: capacity.HostCapacity,
    base: capacity.ImageBase | None,
    disk: verdict.Available | None,
    others: Sequence[capacity.Incoming],
) -> verdict.Verdict:
    """The rows that are known at the destination."""
    need = incoming.needs(instance).memory_bytes
    rows = [resource_check.check_ram(need, host, others)]
    if base is not None and disk is not None:
        rows.append(resource_check.check_image_base(base, disk))
    return verdict.Verdict(instance.uuid, host.host, tuple(rows))


def _assert_fits(outcome: verdict.Verdict) -> None:
    if not outcome.fits:
        raise exception.MigrationPreCheckError(reason=outcome.sentence())
