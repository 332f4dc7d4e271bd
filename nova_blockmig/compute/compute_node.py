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


"""From Nova's compute_nodes record to a HostCapacity.

NULL columns, MB and GB are dealt with here and nowhere else.
"""

from collections.abc import Mapping
import datetime
from typing import Any

import nova.conf
from oslo_utils import timeutils
from oslo_utils import units

from nova_blockmig.compute import nova_types
from nova_blockmig.core import capacity

CONF = nova.conf.CONF

# How many runs of the periodic task may fail before its record is stale.
_MISSED_RUNS = 5
# oslo.service runs a periodic task whose interval is 0 this often.
_DEFAULT_INTERVAL = 60
# Seconds after which a report hangs rather than takes its time.
_SLOWEST_REPORT = 600


def from_row(
    row: nova_types.Row,
    now: datetime.datetime | None = None,
    confirmed_seconds: float | None = None,
    report_seconds: float = 0.0,
    ratios: Mapping[str, float] | None = None,
) -> capacity.HostCapacity:
    """Read a compute_nodes record.

    :param row: the record as Nova hands it to the driver: the dict that
        ``nova.objects.base.obj_to_primitive`` makes of a ComputeNode. A
        column that is not there counts as NULL.
    :param now: for the record's age; the present time if None.
    :param confirmed_seconds: how long ago the driver reported what the
        record is made of; None if that is not known. Nova writes a record
        only if something has changed.
    :param report_seconds: how long a report of the driver takes.
    :param ratios: the allocation ratios that are in force in Placement, by
        its resource class. The record has those of nova.conf.
    """
    ratios = ratios or {}
    memory_mb = row.get('memory_mb') or 0
    free_ram_mb = row.get('free_ram_mb')
    if free_ram_mb is None:
        # How Nova's resource tracker works it out.
        used_mb = row.get('memory_mb_used') or 0
    else:
        used_mb = memory_mb - free_ram_mb
    least_gb = row.get('disk_available_least')
    return capacity.HostCapacity(
        host=row.get('host') or 'the destination',
        memory_bytes=memory_mb * units.Mi,
        memory_used_bytes=used_mb * units.Mi,
        ram_allocation_ratio=(
            ratios.get('MEMORY_MB') or _ratio(row, 'ram_allocation_ratio')
        ),
        local_bytes=(row.get('local_gb') or 0) * units.Gi,
        local_used_bytes=(row.get('local_gb_used') or 0) * units.Gi,
        disk_allocation_ratio=(
            ratios.get('DISK_GB') or _ratio(row, 'disk_allocation_ratio')
        ),
        disk_available_least_bytes=(
            None if least_gb is None else least_gb * units.Gi
        ),
        age_seconds=_age(row, now or timeutils.utcnow(), confirmed_seconds),
        stale_after_seconds=stale_after(report_seconds),
    )


def without_null(row: nova_types.Row) -> dict[str, Any]:
    """A copy that Nova's own check can calculate with.

    It multiplies disk_available_least and free_disk_gb, which may be NULL.
    What it makes of them is replaced by our own check afterwards.
    """
    columns = ('disk_available_least', 'free_disk_gb')
    return {**row, **{c: row.get(c) or 0 for c in columns}}


def reserved_bytes() -> int:
    """``reserved_host_disk_mb`` of this host."""
    return int(CONF.reserved_host_disk_mb) * units.Mi


def interval() -> int | None:
    """Seconds between two runs of update_available_resource.

    None if the operator switched it off.
    """
    seconds = int(CONF.update_resources_interval)
    if seconds < 0:
        return None
    return seconds or _DEFAULT_INTERVAL


def stale_after(report_seconds: float = 0.0) -> float | None:
    """Age in seconds from which a record is stale.

    That of runs that have failed, not of one that takes its time: where
    libvirt answers slowly, the host is not full.
    """
    seconds = interval()
    if seconds is None:
        return None
    return _MISSED_RUNS * (seconds + min(report_seconds, _SLOWEST_REPORT))


def _ratio(row: nova_types.Row, column: str) -> float:
    """An allocation ratio; 0.0 and NULL mean the one in nova.conf.

    ``objects.ComputeNode`` reads them the same way. A configured 0.0 means
    that nothing may be over-committed.
    """
    configured = getattr(CONF, column) or getattr(CONF, f'initial_{column}')
    return float(row.get(column) or configured or 1.0)


def _age(
    row: nova_types.Row,
    now: datetime.datetime,
    confirmed_seconds: float | None,
) -> float | None:
    """Seconds since the record was written or confirmed, never negative.

    The clock is the conductor's on one side and ours on the other.
    """
    ages = [] if confirmed_seconds is None else [confirmed_seconds]
    written = row.get('updated_at') or row.get('created_at')
    if written is not None:
        age = (now - timeutils.normalize_time(written)).total_seconds()
        ages.append(max(0.0, age))
    return min(ages, default=None)
