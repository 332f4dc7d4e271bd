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

"""What a running migration has done, and how long it may still take.

Sizes are in bytes, times in seconds.
"""

from collections.abc import Sequence
import dataclasses
import enum
import itertools

# Nova's states of a live migration that has ended; the others are on the
# way to one of these.
COMPLETED = frozenset({'completed', 'confirmed'})
FAILED = frozenset({'error', 'failed', 'cancelled', 'reverted'})
ENDED = COMPLETED | FAILED

_CHECKING = frozenset({'accepted', 'queued', 'pre-migrating'})


class Phase(enum.StrEnum):
    """What happens to the guest at the moment."""

    CHECKING = 'checking'
    PREPARING = 'preparing'
    FLATTENING = 'flattening'
    COPYING = 'copying disks'
    MEMORY = 'copying memory'
    SWITCHED = 'switched over'
    COMPLETED = 'completed'
    FAILED = 'failed'


@dataclasses.dataclass(frozen=True)
class Amount:
    """So much of something is done; a total of 0 is not known yet."""

    total: int = 0
    remaining: int = 0

    @property
    def done(self) -> int:
        return max(self.total - self.remaining, 0)

    def __add__(self, other: 'Amount') -> 'Amount':
        return Amount(
            self.total + other.total, self.remaining + other.remaining
        )


@dataclasses.dataclass(frozen=True)
class Migration:
    """Nova's record of a migration.

    :ivar kind: Nova's migration_type: 'live-migration', 'migration'...
    :ivar created: seconds since 1970.
    :ivar updated: seconds since 1970; None if it never was.
    :ivar memory: memory, while the migration runs.
    :ivar disks: local disks, while the migration runs; Nova's own driver
        does not tell.
    """

    id: int
    uuid: str
    server_id: str
    status: str
    source: str
    destination: str
    kind: str = 'live-migration'
    created: float = 0.0
    updated: float | None = None
    memory: Amount = Amount()
    disks: Amount = Amount()

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def completed(self) -> bool:
        return self.status in COMPLETED

    @property
    def seconds(self) -> float:
        """How long it took, as far as the record tells."""
        return max((self.updated or self.created) - self.created, 0.0)

    @property
    def all(self) -> Amount:
        """Memory and disks together."""
        return self.memory + self.disks


def phase(migration: Migration) -> Phase:
    """What Nova's record says of the moment."""
    if migration.completed:
        return Phase.COMPLETED
    if migration.ended:
        return Phase.FAILED
    if migration.status == 'post-migrating':
        return Phase.SWITCHED
    if migration.status in _CHECKING:
        return Phase.CHECKING
    disks = migration.disks
    if migration.status == 'preparing':
        return Phase.FLATTENING if disks.total else Phase.PREPARING
    if disks.total and not disks.remaining:
        return Phase.MEMORY
    return Phase.COPYING


@dataclasses.dataclass(frozen=True)
class Sample:
    """One look at a migration.

    :ivar at: seconds of a clock that never goes back.
    :ivar amount: memory and disks together.
    """

    at: float
    amount: Amount


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a migration is, and how long it may still take.

    :ivar rate: bytes a second over all samples.
    :ivar shortest: seconds, if the fastest stretch lasts.
    :ivar longest: seconds, if the slowest one does.
    """

    rate: float
    shortest: float
    longest: float


_STRETCHES = 6


def pace(samples: Sequence[Sample]) -> Pace | None:
    """The pace of the latest samples; None while it cannot be told.

    What remains is looked at, not what is done: a guest that writes makes
    more of it, and only what shrinks comes to an end.
    """
    known = [s for s in samples if s.amount.total][-_STRETCHES - 1 :]
    if len(known) < 2 or known[-1].at <= known[0].at:
        return None
    rate = _rate(known[0], known[-1])
    rates = [
        _rate(before, after)
        for before, after in itertools.pairwise(known)
        if after.at > before.at
    ]
    slowest = min((r for r in rates if r > 0), default=0.0)
    if rate <= 0 or slowest <= 0:
        return None
    left = known[-1].amount.remaining
    return Pace(rate, left / max(rates), left / min(slowest, rate))


def _rate(before: Sample, after: Sample) -> float:
    shrunk = before.amount.remaining - after.amount.remaining
    # The total grows when a job's figures appear one after the other.
    grown = after.amount.total - before.amount.total
    return (shrunk + max(grown, 0)) / (after.at - before.at)
