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
from collections.abc import Collection
import dataclasses
import os
import time
from typing import Any

from nova import objects
import nova.conf
from oslo_utils import units

from nova_blockmig.core import capacity
from nova_blockmig.host import files

CONF = nova.conf.CONF

# In all of these the destination has passed its check once dest_node is set:
# the conductor sets it, with dest_compute, when the check has returned. A
# request that names the host has dest_compute set from the beginning.
_ON_THEIR_WAY = ['accepted', 'queued', 'preparing', 'running']


@dataclasses.dataclass
class _Reservation:
    incoming: capacity.Incoming
    token: str
    until: float
    checked: bool = False


class Reservations:
    """What this host has promised and the database does not show yet.

    Kept in memory only: the checks for one destination all run in its one
    nova-compute. Callers hold a lock of their own over looking and adding.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, _Reservation] = {}

    def hold(
        self, incoming: capacity.Incoming, token: str, seconds: float
    ) -> None:
        """Promise room to an instance; a promise it had is replaced."""
        self._held[incoming.instance] = _Reservation(
            incoming, token, self._clock() + seconds
        )

    def checked(self, instance_uuid: str, seconds: float) -> None:
        """The source let it go: keep the promise for so long from now."""
        if held := self._held.get(instance_uuid):
            held.checked = True
            held.until = self._clock() + seconds

    def end_check(self, token: str) -> None:
        """The check is over: take the promise back unless it was passed."""
        for uuid, held in tuple(self._held.items()):
            if held.token == token and not held.checked:
                self.end(uuid)

    def arrived(self, instance_uuid: str) -> None:
        """It is here: nothing is left to write.

        The promise stays, for the record may not count it yet.
        """
        if held := self._held.get(instance_uuid):
            held.incoming = dataclasses.replace(held.incoming, left_bytes=0)

    def end(self, instance_uuid: str) -> None:
        """It does not come: take the promise back."""
        self._held.pop(instance_uuid, None)

    def current(self) -> tuple[capacity.Incoming, ...]:
        """The promises that have not run out."""
        now = self._clock()
        for uuid, held in tuple(self._held.items()):
            if held.until <= now:
                self.end(uuid)
        return tuple(held.incoming for held in tuple(self._held.values()))


def needs(instance: Any) -> capacity.Incoming:
    """What an instance takes at most, by its flavor.

    A volume-backed instance has no root disk here.
    """
    flavor = instance.flavor
    local_gb = flavor.ephemeral_gb
    if instance.image_ref:
        local_gb += flavor.root_gb
    disk = local_gb * units.Gi + flavor.swap * units.Mi
    return capacity.Incoming(
        instance=instance.uuid,
        memory_bytes=flavor.memory_mb * units.Mi,
        disk_bytes=disk,
        left_bytes=disk,
    )


def others(
    context: Any,
    instance: Any,
    reservations: Reservations,
    counted: Collection[str],
) -> tuple[capacity.Incoming, ...]:
    """Everything on its way here but the instance itself.

    One trip to the database, two if anything is on its way.

    :param counted: UUIDs of the instances that this host's compute_nodes
        record counts already.
    """
    found = {i.instance: i for i in reservations.current()}
    found.update({i.instance: i for i in _migrating(context, instance)})
    found.pop(instance.uuid, None)
    return tuple(
        dataclasses.replace(one, counted=one.instance in counted)
        for one in found.values()
    )


def _migrating(context: Any, instance: Any) -> list[capacity.Incoming]:
    # Migrations of other projects count as well.
    context = context.elevated()
    migrations = {
        migration.instance_uuid: migration
        for migration in objects.MigrationList.get_by_filters(
            context,
            {
                'host': CONF.host,
                'migration_type': 'live-migration',
                'status': _ON_THEIR_WAY,
            },
        )
        if migration.dest_compute == CONF.host
        and migration.dest_node
        and migration.instance_uuid != instance.uuid
    }
    if not migrations:
        return []
    instances = objects.InstanceList.get_by_filters(
        context,
        {'uuid': list(migrations), 'deleted': False},
        expected_attrs=['flavor'],
    )
    return [_with_left(needs(i), migrations[i.uuid]) for i in instances]


def _with_left(
    incoming: capacity.Incoming, migration: Any
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
    except FileNotFoundError:
        # Not made yet, or a migration that has just ended took it away.
        pass
    return total
