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
"""What the record of this host counts: Nova's resource tracker, observed.

The tracker asks the driver for its resources, adds the flavors of the
instances and migrations that it has found, shows the driver the inventory
for Placement, and writes the compute_nodes record. At the third of these
steps its sums are complete and its own lists say what is in them. They are
noted together with the sums, by which a record is recognized later: one that
has the sums of a run is that run's, whether or not it had to be written.
"""

import collections
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import threading
import time

from nova.objects import base as objects_base

from nova_blockmig.compute import nova_types

# All that the resource check reads of a record and that changes.
_SUMS = (
    'memory_mb',
    'memory_mb_used',
    'free_ram_mb',
    'local_gb',
    'local_gb_used',
    'disk_available_least',
)
# Claims are runs as well, and several may come between the reading of a
# record and its check.
_KEPT = 16


@dataclasses.dataclass
class _Report:
    """One report of the driver's resources.

    :ivar disks: instances whose disks are in its disk_available_least.
    """

    began: float
    disks: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Counted:
    """What a record counts, and how sure that is.

    :ivar flavors: UUIDs of the instances whose flavors are in
        ``memory_mb_used`` and ``local_gb_used``.
    :ivar disks: of those whose disks are in ``disk_available_least``.
    :ivar seconds: since the driver reported what the record is made of; None
        if the record is of no run that is known.
    """

    flavors: frozenset[str] = frozenset()
    disks: frozenset[str] = frozenset()
    seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class _Run:
    sums: tuple[object, ...]
    began: float
    flavors: frozenset[str]
    disks: frozenset[str]


class Tracker:
    """Watches the tracker of one nova-compute through the driver's hooks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A run of the tracker keeps to its thread.
        self._local = threading.local()
        self._reporting: dict[int, float] = {}
        self._took = 0.0
        self._last = _Report(clock())
        self._runs: collections.deque[_Run] = collections.deque(maxlen=_KEPT)
        self._ratios: dict[str, float] = {}

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """The driver reports its resources inside it."""
        report = _Report(self._clock())
        self._local.report = report
        thread = threading.get_ident()
        self._reporting[thread] = report.began
        try:
            yield
        except BaseException:
            self._local.report = None
            raise
        finally:
            del self._reporting[thread]
            self._took = self._clock() - report.began

    def disks_seen(self, instance_uuid: str) -> None:
        """The disks of a domain were read, for a report or otherwise."""
        if threading.get_ident() in self._reporting:
            self._local.report.disks.add(instance_uuid)

    def summed_up(
        self,
        tracker: nova_types.ResourceTracker | None,
        nodename: str,
        inventory: nova_types.Inventory,
    ) -> None:
        """The tracker has its sums, and writes them next.

        :param tracker: Nova's ResourceTracker; None if there is none, which
            is so in tests.
        :param inventory: for Placement, with the ratios that are in force
            there.
        """
        self._ratios = {
            name: float(ratio)
            for name, resources in inventory.items()
            if (ratio := resources.get('allocation_ratio'))
        }
        if tracker is None or nodename not in tracker.compute_nodes:
            return
        node = tracker.compute_nodes[nodename]
        # A claim has no report of its own: it adds to the last one's.
        report = getattr(self._local, 'report', None) or self._last
        self._local.report = None
        self._last = report
        self._runs.append(
            _Run(
                _sums(objects_base.obj_to_primitive(node)),
                report.began,
                frozenset(tracker.tracked_instances)
                | frozenset(tracker.tracked_migrations),
                frozenset(report.disks),
            )
        )

    def counted(self, row: nova_types.Row) -> Counted:
        """What a record counts.

        Of a record that is of no known run, it is what the last two runs
        have in common.
        """
        runs = tuple(self._runs)
        sums = _sums(row)
        for run in reversed(runs):
            if run.sums == sums:
                seconds = self._clock() - run.began
                return Counted(run.flavors, run.disks, seconds)
        if len(runs) < 2:
            return Counted()
        one, other = runs[-2:]
        return Counted(one.flavors & other.flavors, one.disks & other.disks)

    @property
    def ratios(self) -> Mapping[str, float]:
        """The allocation ratios in force, by Placement's resource class."""
        return self._ratios

    @property
    def report_seconds(self) -> float:
        """How long a report takes: the one that is being made, or the last.

        libvirt may take half a minute to tell that it cannot read the domain
        of an incoming migration.
        """
        now = self._clock()
        since = (now - began for began in tuple(self._reporting.values()))
        return max((self._took, *since))


def _sums(row: nova_types.Row) -> tuple[object, ...]:
    return tuple(row.get(column) for column in _SUMS)
