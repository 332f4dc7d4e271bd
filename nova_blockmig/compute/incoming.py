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
"""Other instances on their way to this host."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import os
import time

from nova import objects
from nova.compute import task_states
from nova.compute import vm_states
import nova.conf
from oslo_utils import units

from nova_blockmig.compute import image_cache
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import tracker
from nova_blockmig.core import capacity
from nova_blockmig.host import files

CONF = nova.conf.CONF

# In all of these the destination has passed its check once dest_node is set:
# the conductor sets it, with dest_compute, when the check has returned. A
# request that names the host has dest_compute set from the beginning.
_ON_THEIR_WAY = ['accepted', 'queued', 'preparing', 'running']


@dataclasses.dataclass
class _Reservation:
    """Room for one instance.

    :ivar token: of the check that holds it.
    :ivar until: when it ends of itself.
    :ivar agreed: the source let the instance go.
    :ivar arrived: it is here, and counted until the record does.
    """

    incoming: capacity.Incoming
    token: str
    until: float
    agreed: bool = False
    arrived: bool = False


class Reservations:
    """Room that was promised and that the database does not show yet.

    Kept in memory only: the checks for one destination all run in its one
    nova-compute. Callers hold a lock of their own over looking and adding.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, _Reservation] = {}
        self._memory_only: set[str] = set()

    def hold(
        self, incoming: capacity.Incoming, token: str, seconds: float
    ) -> None:
        """Reserve room for an instance, in place of what it had."""
        self._memory_only.discard(incoming.instance)
        self._held[incoming.instance] = _Reservation(
            incoming, token, self._clock() + seconds
        )

    def agreed(
        self, instance_uuid: str, seconds: float, memory_only: bool = False
    ) -> None:
        """The source let it go: keep the room for so long from now.

        :param memory_only: its disks stay where they are, on shared storage.
        """
        if memory_only:
            self._memory_only.add(instance_uuid)
        if held := self._held.get(instance_uuid):
            held.agreed = True
            held.until = self._clock() + seconds

    def end_check(self, token: str) -> None:
        """The check is over: give the room back unless it was passed."""
        for uuid, held in tuple(self._held.items()):
            if held.token == token and not held.agreed:
                self.end(uuid)

    def arrived(self, incoming: capacity.Incoming, seconds: float) -> None:
        """It is here: nothing is left to write.

        The record may not count it yet, however long it was on its way.
        """
        here = dataclasses.replace(incoming, left_bytes=0)
        memory_only = incoming.instance in self._memory_only
        self.hold(here, '', seconds)
        self.agreed(incoming.instance, seconds, memory_only)
        self._held[incoming.instance].arrived = True

    def arrivals(self) -> dict[str, object]:
        """Those that are counted because they have arrived, for `left`."""
        return {
            uuid: held
            for uuid, held in tuple(self._held.items())
            if held.arrived
        }

    def left(self, arrivals: Mapping[str, object]) -> None:
        """They are not here any more: they moved on, or were deleted.

        :param arrivals: of :meth:`arrivals`; one that has been replaced
            since, because the instance comes once more, stays.
        """
        for uuid, held in arrivals.items():
            if self._held.get(uuid) is held:
                self.end(uuid)

    def end(self, instance_uuid: str) -> None:
        """It does not come: give the room back."""
        self._held.pop(instance_uuid, None)
        self._memory_only.discard(instance_uuid)

    def current(
        self, on_their_way: Iterable[capacity.Incoming] = ()
    ) -> tuple[capacity.Incoming, ...]:
        """All that comes here, each once.

        :param on_their_way: those that the database shows.
        """
        now = self._clock()
        for uuid, held in tuple(self._held.items()):
            if held.until <= now:
                del self._held[uuid]
        found = {
            uuid: held.incoming for uuid, held in tuple(self._held.items())
        }
        found.update({one.instance: one for one in on_their_way})
        # Nobody tells of a migration that fails before it is prepared.
        self._memory_only &= found.keys()
        return tuple(self._without_disks(one) for one in found.values())

    def _without_disks(self, one: capacity.Incoming) -> capacity.Incoming:
        if one.instance not in self._memory_only:
            return one
        return dataclasses.replace(one, disk_bytes=0, left_bytes=0)


def needs(instance: nova_types.Instance) -> capacity.Incoming:
    """What an instance takes at most, by its flavor.

    A volume-backed instance has no root disk here.
    """
    flavor = instance.flavor
    disk = flavor.ephemeral_gb * units.Gi + flavor.swap * units.Mi
    if instance.image_ref:
        disk += flavor.root_gb * units.Gi or image_cache.root_bytes(instance)
    return capacity.Incoming(
        instance=instance.uuid,
        memory_bytes=flavor.memory_mb * units.Mi,
        disk_bytes=disk,
        left_bytes=disk,
    )


def others(
    instance: nova_types.Instance,
    coming: Iterable[capacity.Incoming],
    counted: tracker.Counted,
) -> tuple[capacity.Incoming, ...]:
    """All that comes here but the instance itself, and what is counted."""
    return tuple(
        dataclasses.replace(
            one,
            flavor_counted=one.instance in counted.flavors,
            disks_counted=one.instance in counted.disks,
        )
        for one in coming
        if one.instance != instance.uuid
    )


def migrating(
    context: nova_types.Context, instance: nova_types.Instance
) -> list[capacity.Incoming]:
    """What the database shows on its way here, but the instance itself.

    One trip to the conductor, two if anything is on its way. Which rows
    count is what nova.compute.resource_tracker makes of them in
    _update_usage_from_migrations: a row may outlive its migration, where a
    nova-compute has died.
    """
    # Migrations of other projects count as well.
    context = context.elevated()
    newest: dict[str, nova_types.Migration] = {}
    for row in objects.MigrationList.get_by_filters(
        context,
        {
            'host': CONF.host,
            'migration_type': 'live-migration',
            'status': _ON_THEIR_WAY,
        },
    ):
        known = newest.get(row.instance_uuid)
        if known is None or _written(row) > _written(known):
            newest[row.instance_uuid] = row
    rows = {
        uuid: row
        for uuid, row in newest.items()
        if row.dest_compute == CONF.host
        and row.dest_node
        and uuid != instance.uuid
    }
    if not rows:
        return []
    instances = objects.InstanceList.get_by_filters(
        context,
        {'uuid': list(rows), 'deleted': False},
        expected_attrs=['flavor', 'system_metadata'],
    )
    return [
        _with_left(needs(one), rows[one.uuid])
        for one in instances
        if _is_migrating(one)
    ]


def _written(row: nova_types.Migration) -> datetime.datetime:
    return row.updated_at or row.created_at


def _is_migrating(instance: nova_types.Instance) -> bool:
    return (
        instance.task_state == task_states.MIGRATING
        and instance.vm_state in (vm_states.ACTIVE, vm_states.PAUSED)
        and instance.host != CONF.host
    )


def _with_left(
    incoming: capacity.Incoming, migration: nova_types.Migration
) -> capacity.Incoming:
    """What the migration may still write here.

    libvirt reports 0 bytes for as long as it copies disks of its own accord
    (VIR_MIGRATE_NON_SHARED_INC), so 0 says nothing.
    """
    left = migration.disk_remaining
    if not left:
        here = _allocated(incoming.instance)
        left = max(0, incoming.disk_bytes - here)
    return dataclasses.replace(incoming, left_bytes=left)


def _allocated(instance_uuid: str) -> int:
    """Bytes that the instance's directory occupies on this host."""
    total = 0
    directory = os.path.join(CONF.instances_path, instance_uuid)
    try:
        for name in os.listdir(directory):
            total += files.allocated_bytes(os.path.join(directory, name))
    except OSError:
        # Not made yet, or a migration that has just ended took it away. What
        # cannot be read counts as not written.
        pass
    return total
