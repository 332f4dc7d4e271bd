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

"""Paused guests that must not be moved a second time.

A guest that arrives paused keeps its disks inactive until it is resumed.
libvirt's copy activates the ones that it copies; when QEMU before 10.0 then
inactivates all of them at the end of the next migration, it finds a disk
that still is, and dies of an assertion (``bdrv_inactivate_recurse``). The
guest is gone, on both hosts. QEMU 10.0 allows for it.
"""

from nova import objects
from nova.compute import vm_states
from nova.objects import fields

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.core import errors
from nova_blockmig.core import known_bad

_DEFECT = known_bad.named('paused-twice')


def assert_may_move(
    driver: libvirt_types.Driver,
    context: nova_types.Context,
    instance: nova_types.Instance,
    not_copied: tuple[str, ...],
) -> None:
    """Refuse a migration that would end the guest.

    Looks into the database only for a paused instance with such a disk.

    :param not_copied: the guest's disks that libvirt will not copy, by
        device: config drives and volumes.
    :raises errors.NeverResumed: with what to do.
    """
    if instance.vm_state != vm_states.PAUSED or not not_copied:
        return
    if driver._host.has_min_version(hv_ver=_DEFECT.fixed):
        return
    if _arrived_paused(context, instance):
        raise errors.NeverResumed(instance.uuid, not_copied)


def _arrived_paused(
    context: nova_types.Context, instance: nova_types.Instance
) -> bool:
    """Whether it was paused before its last migration, and not since."""
    moves = objects.MigrationList.get_by_filters(
        context,
        {
            'instance_uuid': instance.uuid,
            'migration_type': fields.MigrationType.LIVE_MIGRATION,
            'status': 'completed',
        },
    )
    if not moves:
        return False
    actions = objects.InstanceActionList.get_by_instance_uuid(
        context, instance.uuid
    )
    paused = [a.start_time for a in actions if a.action == 'pause']
    moved = max(move.created_at for move in moves)
    return not paused or max(paused) < moved
