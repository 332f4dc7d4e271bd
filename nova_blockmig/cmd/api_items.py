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

"""What the APIs of Nova answer, in our own words."""

from collections.abc import Mapping
import datetime
from typing import Any

from nova_blockmig.core import migration_progress
from nova_blockmig.core import servers


def server(item: Mapping[str, Any]) -> servers.Server:
    flavor = item['flavor']
    # An instance that was booted from a volume has no image, and its
    # flavor's root disk does not exist.
    root = flavor['disk'] if item.get('image') else 0
    swap = -(-int(flavor['swap'] or 0) // 1024)
    return servers.Server(
        id=item['id'],
        name=item['name'],
        status=item['status'],
        host=item.get('OS-EXT-SRV-ATTR:host') or '',
        task=item.get('OS-EXT-STS:task_state'),
        memory_mb=flavor['ram'],
        vcpus=flavor['vcpus'],
        disk_gb=root + flavor['ephemeral'] + swap,
        ephemeral_gb=flavor['ephemeral'],
        project_id=item.get('tenant_id') or '',
    )


def migration(item: Mapping[str, Any]) -> migration_progress.Migration:
    def amount(of: str) -> migration_progress.Amount:
        return migration_progress.Amount(
            item.get(f'{of}_total_bytes') or 0,
            item.get(f'{of}_remaining_bytes') or 0,
        )

    return migration_progress.Migration(
        id=int(item['id']),
        uuid=str(item['uuid']),
        server_id=item.get('instance_uuid') or item.get('server_uuid') or '',
        status=item['status'],
        source=item.get('source_compute') or '',
        destination=item.get('dest_compute') or '',
        kind=item.get('migration_type') or 'live-migration',
        created=seconds(item['created_at']) or 0.0,
        updated=seconds(item.get('updated_at')),
        memory=amount('memory'),
        disks=amount('disk'),
    )


def room(
    node: Mapping[str, Any], left: Mapping[str, int] | None
) -> servers.Room:
    """Without an entry of Placement nothing at all can be claimed there."""
    if left is None:
        return servers.Room(node['service']['host'], 0, 0, 0)
    disk = left.get('DISK_GB')
    measured = node.get('disk_available_least')
    if disk is not None and measured is not None:
        disk = min(disk, measured)
    return servers.Room(
        node['service']['host'],
        left.get('MEMORY_MB'),
        left.get('VCPU'),
        disk,
    )


def seconds(time: str | None) -> float | None:
    """A time of Nova's, which is UTC, in seconds since 1970."""
    if not time:
        return None
    moment = datetime.datetime.fromisoformat(time)
    return moment.replace(tzinfo=datetime.UTC).timestamp()
