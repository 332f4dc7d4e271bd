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

"""Instances and compute hosts as Nova's API has them, and what can move how.

Memory is in MiB and disk in GiB, as in flavors.
"""

from collections.abc import Mapping
import dataclasses
import enum


@dataclasses.dataclass(frozen=True)
class Server:
    """An instance.

    :ivar host: its compute host; empty if it has none.
    :ivar disk_gb: all local disks, by their virtual sizes.
    :ivar ephemeral_gb: what of them is ephemeral.
    """

    id: str
    name: str
    status: str
    host: str
    task: str | None = None
    memory_mb: int = 0
    vcpus: int = 0
    disk_gb: int = 0
    ephemeral_gb: int = 0
    project_id: str = ''


@dataclasses.dataclass(frozen=True)
class Room:
    """What a compute host has left; None where it is not known."""

    host: str
    memory_mb: int | None = None
    vcpus: int | None = None
    disk_gb: int | None = None

    def after(self, server: Server) -> 'Room':
        """What it has left once the instance has come."""
        return Room(
            self.host,
            _less(self.memory_mb, server.memory_mb),
            _less(self.vcpus, server.vcpus),
            _less(self.disk_gb, server.disk_gb),
        )

    def missing(self, server: Server) -> str:
        """What the instance would lack here; empty if it fits."""
        left = self.after(server)
        names = (
            ('memory', left.memory_mb),
            ('VCPUs', left.vcpus),
            ('disk', left.disk_gb),
        )
        return ' and '.join(
            name for name, rest in names if rest is not None and rest < 0
        )


def _less(amount: int | None, used: int) -> int | None:
    return None if amount is None else amount - used


@dataclasses.dataclass(frozen=True)
class ComputeService:
    """A nova-compute, as ``openstack compute service list`` shows it."""

    id: str
    host: str
    up: bool = True
    enabled: bool = True
    reason: str = ''


class Way(enum.StrEnum):
    """How an instance leaves its host."""

    LIVE = 'live'
    COLD = 'cold'
    WAITS = 'waits'
    STAYS = 'stays'


_ADVICE: Mapping[str, str] = {
    'SUSPENDED': 'it is suspended: resume it to move it live',
    'RESCUE': 'it is in rescue mode: unrescue it to move it live',
    'ERROR': (
        'it is in ERROR: look at its fault and, if the guest is running, use '
        '"openstack server set --state active"'
    ),
    'VERIFY_RESIZE': 'a resize is pending: confirm or revert it',
    'SHELVED': 'it is shelved: "openstack server shelve --offload" removes '
    'it from the host',
    'SOFT_DELETED': 'it is soft-deleted: restore it, or delete it with '
    '--force',
}


def way(server: Server, *, cold: bool) -> tuple[Way, str]:
    """How it can move in its present state, and why not live.

    :param cold: whether those that are shut off may move cold.
    """
    if server.task:
        return Way.WAITS, f'another operation is in progress: {server.task}'
    if server.status in ('ACTIVE', 'PAUSED'):
        return Way.LIVE, ''
    if server.status == 'SHUTOFF':
        return _shut_off(server, cold=cold)
    advice = _ADVICE.get(server.status)
    return Way.STAYS, advice or f'its status is {server.status}'


def _shut_off(server: Server, *, cold: bool) -> tuple[Way, str]:
    if server.ephemeral_gb:
        # Nova copies the overlay only and makes the file system beneath it
        # anew where its cache has none.
        return Way.STAYS, (
            'it is shut off and has an ephemeral disk, which a cold '
            'migration could damage: start it to move it live'
        )
    if not cold:
        return Way.STAYS, (
            'it is shut off: start it to move it live, or use --cold'
        )
    return Way.COLD, ''
