# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""After a fault: wait for Nova, judge, and try once more."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
from dataclasses import field
import time
from typing import Any

from blocklab.chaos import judge
from blocklab.chaos import observe
from blocklab.chaos.trial import Trial
from blocklab.guest.console import Summary
from blocklab.machine.errors import LabError
from blocklab.migration import migration
from blocklab.migration import scenario
from blocklab.migration.instance import Instance

# For Nova's periodic tasks to put right what they put right; they come every
# few seconds here, see `blocklab.chaos.run.OFTEN`.
_PATIENCE = 30
# Nova's own timeouts are not shortened.
_ENDS = 240
# Nobody works on an instance without a task; a record may say otherwise.
_IDLE = 20
ANSWERS = migration.ANSWERS


@dataclass
class Facts:
    """What is found out on the way; `blocklab.chaos.outcome.Result` has it.
    """  # fmt: skip

    hit: bool = False
    migration: str = ''
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    again: str = ''
    notes: list[str] = field(default_factory=list)
    observed: dict[str, object] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timing(self, what: str) -> Iterator[None]:
        """Note how long it takes, in seconds."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.timings[what] = round(time.monotonic() - began, 1)

    @contextlib.contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Go on after a failure; it is noted."""
        try:
            yield
        except ANSWERS as error:
            first = str(error).splitlines()[0]
            self.notes.append(f'{what} failed: {first}')


def newest(trial: Trial) -> Any | None:
    """Nova's record of the migration; None if there is none yet."""
    return max(
        (
            record
            for record in migration.records(trial.lab, trial.instance.id)
            if record.uuid not in trial.known
        ),
        key=lambda record: record.id,
        default=None,
    )


class Afterwards:
    """What follows the fault in a trial.

    :param before: what the guest had said.
    :param guest_may_die: whether the fault was the death of the guest.
    """

    def __init__(
        self,
        trial: Trial,
        facts: Facts,
        before: Summary,
        *,
        guest_may_die: bool,
    ) -> None:
        self._trial = trial
        self._facts = facts
        self._before = before
        self._guest_may_die = guest_may_die
        self._active: tuple[str, ...] = ()

    def settle(self) -> None:
        """Wait for Nova's last word, and for every service."""
        deadline = time.monotonic() + _ENDS
        status = ''
        idle: float | None = None
        while time.monotonic() < deadline:
            with contextlib.suppress(*ANSWERS):
                record = newest(self._trial)
                status = record.status if record else 'no record'
                task = self._trial.instance.server.task_state
                if task is None and status in (*migration.FINAL, 'no record'):
                    break
                if task is not None:
                    idle = None
                elif idle is None:
                    idle = time.monotonic()
                elif time.monotonic() - idle > _IDLE:
                    self._facts.problems.append(
                        f'the migration stays {status}'
                    )
                    break
            time.sleep(1)
        else:
            self._facts.problems.append(f'the migration stays {status}')
        self._facts.migration = status
        self._trial.lab.wait_until_reporting()

    def judge(self) -> None:
        """What is wrong, once Nova's periodic tasks had their time."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            seen = observe.observe(self._trial)
            found = judge.problems(seen, guest_may_die=self._guest_may_die)
            if not found or time.monotonic() > deadline:
                break
            time.sleep(3)
        self._active = seen.active
        self._facts.observed = seen.as_json()
        self._facts.problems += found
        if len(seen.active) > 1:
            self._facts.lost.append('the guest runs twice')

    def check_guest(self) -> None:
        """See that the guest goes on, and has seen nothing wrong."""
        instance = self._trial.instance
        compute = self._trial.lab.cloud.compute
        server = instance.server
        if self._active and server.compute_host not in self._active:
            raise LabError(
                f'Nova has the guest on {server.compute_host}, where it does '
                'not run.', 'See "Nova and libvirt disagree".',
            )  # fmt: skip
        if server.status == 'ERROR':
            self._facts.notes.append('its state was reset by the operator')
            compute.reset_server_state(server, 'active')
        if server.status == 'SHUTOFF':
            self._facts.notes.append('started again by the operator')
            compute.start_server(instance.id)
            instance.wait_for_status('ACTIVE', 400)
            seen = scenario.writing(instance, timeout=400)
        else:
            instance.unpause()
            # It goes on; what it finds wrong it counts from its boot on, and
            # the look at everything comes after the second attempt.
            tick = instance.guest().tick
            seen = instance.wait_for_guest(
                lambda seen: seen.tick > tick + 1, 'another round', 120
            )
        if not seen.sound:
            self._facts.lost.append(f'the guest says {wrong(seen)}')

    def again(self) -> None:
        """To the same host, or back if it is there already."""
        trial, instance = self._trial, self._trial.instance
        here = instance.host_name
        target = trial.destination if here == trial.source else trial.source
        digests = _digests(instance)
        moved = instance.migrate(target, timeout=400)
        self._facts.again = moved.status
        if not moved.completed:
            return
        different = judge.differing(digests, _digests(instance))
        if different:
            self._facts.lost.append(f'the second attempt changed {different}')
        instance.unpause()
        seen = self._looked()
        if not seen.sound:
            self._facts.lost.append(f'in the end the guest says {wrong(seen)}')

    def _looked(self) -> Summary:
        """A look at every disk that is later than now."""
        instance = self._trial.instance
        tick = instance.guest().tick
        return instance.wait_for_guest(
            lambda seen: (
                seen.tick > tick + 5
                and seen.last.keys() >= self._before.last.keys()
            ),
            'a look at every disk',
            200,
        )


def _digests(instance: Instance) -> dict[str, str]:
    return {
        name: state.sha256
        for name, state in instance.pause_and_hash().items()
    }  # fmt: skip


def wrong(seen: Summary) -> str:
    """What the guest has found, in a few words."""
    found = [f'{each.disk} {each.file}' for each in seen.found]
    found += [f'{each.disk} {each.what}' for each in seen.errors]
    found += [each.line for each in seen.kernel]
    return ', '.join(found[:5]) or f'{seen.mismatches} mismatches'
