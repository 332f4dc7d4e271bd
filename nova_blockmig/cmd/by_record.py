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

"""What Nova's record says of a host that runs the in-tree driver."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from nova_blockmig.compute import compute_node
from nova_blockmig.compute import endpoint
from nova_blockmig.core import capacity
from nova_blockmig.core import dry_run
from nova_blockmig.core import model
from nova_blockmig.core import resource_check
from nova_blockmig.core import servers

MIB = 2**20


def destination(
    host: str,
    row: Mapping[str, Any],
    server: servers.Server,
    disk_over_commit: bool | None,
) -> dry_run.Destination:
    """As if the host had answered, by its compute_nodes record.

    The record knows neither ``reserved_host_disk_mb``, nor the image cache,
    nor who else is on the way.

    :param row: a compute_nodes record.
    """
    mode = model.OverCommit.asked(bool(disk_over_commit))
    # The in-tree driver takes no ratio of the disks into account.
    there = dataclasses.replace(
        compute_node.from_row({**row, 'host': host}),
        disk_allocation_ratio=1.0,
    )
    return dry_run.Destination(
        host=host,
        version='',
        images_type='',
        over_commit=mode,
        rows=(resource_check.check_ram(server.memory_mb * MIB, there),),
        disk=resource_check.available_disk(
            there, mode, capacity.DiskSpace(free_bytes=None)
        ),
        flags=(),
        record={column: row.get(column) for column in endpoint.COLUMNS},
        by_record=True,
    )
