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

"""Moving many instances: some at once, again elsewhere, one fault at a time.

Never forces and never evacuates: each move is one that the scheduler and
both hosts agree to.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib

from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import mover_task
from nova_blockmig.cmd import screen
from nova_blockmig.core import drain_plan
from nova_blockmig.core import drain_record
from nova_blockmig.core import journey_text
from nova_blockmig.core import migration_progress
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers

State = drain_record.State
INTERVAL = 2.0
ATTEMPTS = 3
# Seconds.
_LOOK_FOR_NEW = 10.0
_BUSY_PATIENCE = 600.0
_API_PATIENCE = 120.0
RECORD_PATIENCE = 60.0


class Mover:
    """Moves what the journey names, and notes every step in it.

    :param save: called after each change of the journey.
    :param tell: called with each line that stays.
    :param show: called with the journey and what runs, again and again.
    :param stop: asked before anything new is begun.
    """

    def __init__(
        self,
        cloud_: cloud.Cloud,
        journey: drain_record.Journey,
        task: mover_task.Task,
        *,
        save: Callable[[], None],
        tell: Callable[[str], None],
        show: Callable[[Mapping[str, migration_progress.Migration]], None],
        stop: Callable[[], bool],
        clock: screen.Clock,
    ) -> None:
        self._cloud, self._journey, self._task = cloud_, journey, task
        self._save, self._tell, self._show = save, tell, show
        self._stop, self._clock = stop, clock
        self._tried: dict[str, list[str]] = {}
        self._since: dict[tuple[str, str], float] = {}
        # Begun by a run that was interrupted; perhaps never asked for.
        self._adopted = {entry.id for entry in journey.of(State.MOVING)}
        self._running: dict[str, migration_progress.Migration] = {}
        self._looked_at = -_LOOK_FOR_NEW
        self._answered_at = clock.monotonic()

    def run(self) -> None:
        """Go on until there is nothing left to do, or to wait for.

        :raises operator_errors.CannotAsk: the cloud has not answered for
            two minutes.
        """
        while True:
            try:
                self._turn()
                self._answered_at = self._clock.monotonic()
            except operator_errors.CannotAsk:
                silent = self._clock.monotonic() - self._answered_at
                if silent > _API_PATIENCE:
                    raise
            self._show(self._running)
            going = self._journey.of(State.MOVING)
            waiting = self._journey.of(State.PLANNED)
            if not going and (self._stop() or not waiting):
                return
            self._clock.sleep(INTERVAL)

    def _turn(self) -> None:
        for entry in self._journey.of(State.MOVING):
            with self._noting(entry):
                self._look(entry)
        if self._stop():
            return
        if self._task.leaving:
            self._look_for_new()
        for entry in self._journey.of(State.PLANNED):
            if len(self._journey.of(State.MOVING)) >= self._task.at_once:
                break
            with self._noting(entry):
                self._begin(entry)

    @contextlib.contextmanager
    def _noting(self, entry: drain_record.Entry) -> Iterator[None]:
        """A no to one does not stop the others."""
        try:
            yield
        except operator_errors.No as error:
            self._set(entry, State.FAILED, str(error))

    def _look_for_new(self) -> None:
        """Those that have come meanwhile, or have come back."""
        if self._clock.monotonic() - self._looked_at < _LOOK_FOR_NEW:
            return
        for server in self._cloud.servers_on(self._task.host):
            entry = self._journey.entries.get(server.id)
            if entry is None:
                self._journey.add(server)
                self._tell(f'{server.name}: is on {server.host}')
            elif entry.state in (State.MOVED, State.GONE):
                self._tell(f'{server.name}: is back on {server.host}')
                entry.state, entry.destination = State.PLANNED, ''
            elif entry.state is State.STAYS and self._may_move(server):
                entry.state, entry.destination = State.PLANNED, ''
        self._looked_at = self._clock.monotonic()

    def _may_move(self, server: servers.Server) -> bool:
        """Whether somebody has done what it was waiting for."""
        entry = self._journey.entries[server.id]
        way, _ = servers.way(server, cold=self._task.cold)
        changed = server.status != entry.status
        return changed and way in (servers.Way.LIVE, servers.Way.COLD)

    # Those that are under way

    def _look(self, entry: drain_record.Entry) -> None:
        server = self._cloud.server(entry.id)
        if server is None:
            self._set(entry, State.GONE, 'it has been deleted')
            return
        if server.task:
            self._see(entry)
            return
        done = self._task.is_done(server)
        if done and server.status == 'VERIFY_RESIZE':
            self._confirm(entry)
            return
        if done and self._source_is_busy(entry):
            return
        entry.attempts[-1].ended = self._clock.time()
        self._running.pop(entry.id, None)
        if done:
            self._arrived(entry, server)
        elif entry.id in self._adopted:
            self._adopted.discard(entry.id)
            entry.destination = ''
            self._set(entry, State.PLANNED, '', quiet=True)
        else:
            self._failed(entry, server, self._cloud.reason(entry.id))

    def _see(self, entry: drain_record.Entry) -> None:
        """Its figures are for show: to miss them once does not matter."""
        with contextlib.suppress(operator_errors.OperatorError):
            running = self._cloud.progress(entry.id)
            if running is not None:
                self._running[entry.id] = running

    def _source_is_busy(self, entry: drain_record.Entry) -> bool:
        """Whether Nova still clears up; not for ever."""
        records = self._cloud.migrations(server_id=entry.id)
        if not records or records[0].ended:
            return False
        return self._waited(entry, 'source') < RECORD_PATIENCE

    def _confirm(self, entry: drain_record.Entry) -> None:
        """Once; it takes Nova a moment to remove what is on the source."""
        if (entry.id, 'confirm') not in self._since:
            self._waited(entry, 'confirm')
            self._cloud.confirm(entry.id)
        elif self._waited(entry, 'confirm') > _BUSY_PATIENCE:
            raise operator_errors.No('Nova did not confirm the cold migration')

    def _waited(self, entry: drain_record.Entry, what: str) -> float:
        """Seconds since this was asked first."""
        now = self._clock.monotonic()
        return now - self._since.setdefault((entry.id, what), now)

    def _arrived(
        self, entry: drain_record.Entry, server: servers.Server
    ) -> None:
        entry.destination = entry.attempts[-1].destination = server.host
        entry.status = server.status
        if server.status == 'ERROR':
            entry.reason = 'it has arrived, but Nova has set it to ERROR'
        self._set(entry, State.MOVED, entry.reason, quiet=True)
        self._tell(journey_text.arrived(entry))

    def _failed(
        self, entry: drain_record.Entry, server: servers.Server, reason: str
    ) -> None:
        """Another host may take it; who is in ERROR is left alone."""
        reason = reason or 'Nova does not report a reason'
        attempt = entry.attempts[-1]
        attempt.ended = attempt.ended or self._clock.time()
        attempt.reason = entry.reason = reason
        tried = self._tried.setdefault(entry.id, [])
        tried.append(attempt.destination)
        if server.status == 'ERROR':
            self._set(entry, State.FAILED, f'it is in ERROR: {reason}')
        elif len(tried) < ATTEMPTS and drain_plan.worth_trying_elsewhere(
            reason
        ):
            entry.destination = ''
            self._set(entry, State.PLANNED, reason, quiet=True)
        else:
            self._set(entry, State.FAILED, reason)

    # Those that are to go

    def _begin(self, entry: drain_record.Entry) -> None:
        server = self._cloud.server(entry.id)
        if server is None:
            self._set(entry, State.GONE, 'it has been deleted')
            return
        if self._task.is_done(server) and not server.task:
            entry.destination = server.host
            self._set(entry, State.MOVED, '', quiet=True)
            self._tell(f'{entry.name}: is on {server.host}')
            return
        way, reason = servers.way(server, cold=self._task.cold)
        if way is servers.Way.WAITS:
            self._wait(entry, reason)
            return
        step = self._task.step(self._journey, entry, server, self._tried)
        if step.moves:
            self._ask(entry, server, step)
        else:
            self._stay(entry, step.reason)

    def _wait(self, entry: drain_record.Entry, reason: str) -> None:
        entry.reason = reason
        if self._waited(entry, reason) > _BUSY_PATIENCE:
            self._set(entry, State.STAYS, reason)

    def _stay(self, entry: drain_record.Entry, reason: str) -> None:
        """One that was tried keeps the reason that it failed with."""
        if self._tried.get(entry.id):
            self._set(entry, State.FAILED, f'{entry.reason}; {reason}')
        else:
            self._set(entry, State.STAYS, reason)

    def _ask(
        self,
        entry: drain_record.Entry,
        server: servers.Server,
        step: drain_plan.Step,
    ) -> None:
        """It is noted first: whoever is killed here has it in the record."""
        if entry.id in self._tried:
            last = self._tried[entry.id][-1]
            self._tell(f'{entry.name}: not moved to {last}: {entry.reason}')
        entry.attempts.append(
            drain_record.Attempt(
                server.host, step.destination, step.way, self._clock.time()
            )
        )
        entry.destination, entry.status = step.destination, server.status
        self._set(entry, State.MOVING, '', quiet=True)
        self._tell(journey_text.asked(entry))
        try:
            if step.way is servers.Way.COLD:
                self._cloud.migrate_cold(entry.id, step.destination)
            else:
                self._cloud.migrate_live(entry.id, step.destination)
        except operator_errors.No as error:
            self._failed(entry, server, str(error))

    def _set(
        self,
        entry: drain_record.Entry,
        state: State,
        reason: str,
        *,
        quiet: bool = False,
    ) -> None:
        entry.state, entry.reason = state, reason
        self._save()
        if not quiet:
            self._tell(f'{entry.name}: {state}: {reason}')
