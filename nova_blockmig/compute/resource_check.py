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
from collections.abc import Sequence
import threading

from nova import exception
import nova.conf
from oslo_log import log as logging
from oslo_utils import units

from nova_blockmig.compute import compute_node
from nova_blockmig.compute import evaluation
from nova_blockmig.compute import incoming
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import tracker
from nova_blockmig.core import capacity
from nova_blockmig.core import errors
from nova_blockmig.core import model
from nova_blockmig.core import plan
from nova_blockmig.core import resource_check
from nova_blockmig.core import verdict

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Long enough for the two runs of the periodic task after which the record
# counts a migrated instance for certain.
_RESERVED_RUNS = 2
_RESERVED_SECONDS = 120


class ResourceCheck:
    """One for each driver, that is for each nova-compute.

    :ivar tracker: what Nova's tracker has counted; the driver feeds it.
    """

    def __init__(
        self, driver: libvirt_types.Driver, policy: model.Policy
    ) -> None:
        self._driver = driver
        self._policy = policy
        self.tracker = tracker.Tracker()
        # Looking at what is on its way and adding to it are one step.
        self._lock = threading.Lock()
        self._reservations = incoming.Reservations()
        # What a check found that matters for a block migration only, while
        # it is open whether it is one: its token and its verdict.
        self._undecided: dict[str, tuple[str, verdict.Verdict]] = {}

    # On the destination.

    def evaluate(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        row: nova_types.Row,
        disk_over_commit: bool | None,
    ) -> evaluation.Evaluation:
        """Whether the instance would fit now. Has no side effects.

        :param row: this host's compute_nodes record.
        """
        mode = self._mode(disk_over_commit)
        asked = self._ask(context, instance, row, mode)
        with self._lock:
            return evaluation.evaluate(asked, self._reservations.current)

    def at_destination(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        row: nova_types.Row,
        data: nova_types.MigrateData,
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
        :param block_migration: None if Nova is to find out.
        :raises errors.DoesNotFit: it is a block migration, and it does not.
        """
        if block_migration is False:
            return
        mode = self._mode(disk_over_commit)
        asked = self._ask(context, instance, row, mode)
        with self._lock:
            found = evaluation.evaluate(asked, self._reservations.current)
            if not found.outcome.fits and block_migration:
                raise errors.DoesNotFit(found.outcome)
            self._reservations.hold(
                asked.own, data.filename, CONF.long_rpc_timeout
            )
        if block_migration is None:
            self._undecided[instance.uuid] = (data.filename, found.outcome)
        if found.disk is not None:
            # The in-tree driver on the source refuses a negative number even
            # if it has nothing to copy.
            data.disk_available_mb = max(0, found.disk.bytes or 0) // units.Mi
            data.disk_over_commit = mode is model.OverCommit.ACTUAL
        LOG.info('Resource check: %s', found.sentence(), instance=instance)

    def decide(
        self, instance: nova_types.Instance, data: nova_types.MigrateData
    ) -> None:
        """It is known now whether it is a block migration.

        :param data: the migrate data that the source handed back.
        :raises errors.DoesNotFit: it is one, and it does not fit.
        """
        _, outcome = self._undecided.pop(instance.uuid, ('', None))
        if outcome and not outcome.fits and _copies_disks(data):
            raise errors.DoesNotFit(outcome)

    def source_agreed(
        self, instance: nova_types.Instance, data: nova_types.MigrateData
    ) -> None:
        """The source's check passed, so the instance will come.

        :param data: as for :meth:`decide`.
        """
        with self._lock:
            self._reservations.agreed(
                instance.uuid,
                self._reserved_seconds(),
                memory_only=not _copies_disks(data),
            )

    def check_ended(self, data: nova_types.MigrateData) -> None:
        """The check is over, whatever came of it.

        :param data: what the destination's check returned.
        """
        with self._lock:
            self._reservations.end_check(data.filename)
        for uuid, (token, _) in tuple(self._undecided.items()):
            if token == data.filename:
                self._undecided.pop(uuid, None)

    def arrived(self, instance: nova_types.Instance) -> None:
        """The instance is here, and so are all its disks.

        Nothing is raised: whatever is wrong, the guest runs here now.
        """
        try:
            needs = incoming.needs(instance)
        except exception.NovaException as exc:
            # What was reserved for it stays reserved for its time.
            LOG.warning(
                'Unable to count the arrived instance: %s',
                exc,
                instance=instance,
            )
            return
        with self._lock:
            self._reservations.arrived(needs, self._reserved_seconds())

    def rolled_back(self, instance: nova_types.Instance) -> None:
        """The instance does not come after all."""
        with self._lock:
            self._reservations.end(instance.uuid)

    def _ask(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        row: nova_types.Row,
        mode: model.OverCommit,
    ) -> evaluation.Asked:
        """All that may take its time, before the lock is taken."""
        asked = evaluation.ask(
            context, instance, row, mode, self.tracker, self._driver
        )
        self._forget_who_left()
        return asked

    def _forget_who_left(self) -> None:
        """An arrival that has moved on or was deleted takes nothing here.

        The record never counted it, and would not for as long as it is kept.
        """
        arrivals = self._reservations.arrivals()
        if not arrivals:
            return
        here = set(self._driver.list_instance_uuids())
        left = {u: held for u, held in arrivals.items() if u not in here}
        with self._lock:
            self._reservations.left(left)

    def _mode(self, disk_over_commit: bool | None) -> model.OverCommit:
        if disk_over_commit is None:
            return self._policy.disk_over_commit
        return model.OverCommit.asked(disk_over_commit)

    def _reserved_seconds(self) -> float:
        """How long an instance is counted here until the record does."""
        interval = compute_node.interval() or 0
        run = interval + self.tracker.report_seconds
        return max(_RESERVED_SECONDS, _RESERVED_RUNS * run)

    # On the source.

    def at_source(
        self,
        instance: nova_types.Instance,
        data: nova_types.MigrateData,
        needs: Sequence[capacity.DiskNeed],
        destination: plan.Peer,
    ) -> None:
        """Check that the disks fit into what the destination has.

        A destination with the in-tree driver does not say how to check a
        request that leaves it open; the number it sends is for virtual
        sizes. One with nova-blockmig says it, unless there is nothing to
        check.

        :param data: the migrate data that came from the destination.
        :param needs: the disks as they will be on the destination; see
            :func:`disk_needs`.
        :param destination: the driver of the destination.
        :raises errors.DoesNotFit: they do not fit.
        """
        mode = self._policy.disk_over_commit
        if 'disk_over_commit' in data:
            mode = self._mode(data.disk_over_commit)
        elif destination is plan.Peer.BLOCKMIG:
            mode = model.OverCommit.SKIP
        elif mode is model.OverCommit.ACTUAL:
            mode = model.OverCommit.VIRTUAL
        if mode is model.OverCommit.SKIP:
            return
        there = verdict.Available(data.disk_available_mb * units.Mi)
        row = resource_check.check_disk(needs, mode, there)
        outcome = verdict.Verdict(instance.uuid, 'the destination', (row,))
        if not outcome.fits:
            raise errors.DoesNotFit(outcome)
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


def _copies_disks(data: nova_types.MigrateData) -> bool:
    return 'block_migration' in data and bool(data.block_migration)
