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

"""Following one migration to its end."""

import contextlib
import dataclasses

from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import screen
from nova_blockmig.core import migration_progress as progress
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers
from nova_blockmig.core import watch_text

INTERVAL = 1.0
_PLAIN_EVERY = 10.0
_API_PATIENCE = 120.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How it ended.

    :ivar server: the instance now; None if it was deleted.
    :ivar downtime_ms: how long the guest stood still; None if it did not
        arrive, or Nova was not told.
    """

    server: servers.Server | None
    migration: progress.Migration
    reason: str = ''
    downtime_ms: int | None = None

    @property
    def moved(self) -> bool:
        """Whether the guest is where it was to go, and well."""
        return (
            self.server is not None
            and self.migration.completed
            and self.server.host == self.migration.destination
            and self.server.status != 'ERROR'
        )


class Watcher:
    """Follows the live migration of one instance."""

    def __init__(
        self,
        cloud_: cloud.Cloud,
        screen_: screen.Screen,
        clock: screen.Clock | None = None,
    ) -> None:
        self._cloud = cloud_
        self._screen = screen_
        self._clock = clock or screen.Clock()
        self._samples: list[progress.Sample] = []
        self._answered_at = self._clock.monotonic()
        self._said: tuple[float, progress.Phase | None] = (0.0, None)

    def follow(self, server: servers.Server, patience: float) -> Outcome:
        """Show the migration until it has ended, whatever end it is.

        If none runs and none begins within the patience, the latest one is
        told of.

        :param patience: seconds.
        :raises operator_errors.No: there never was one.
        """
        migration = self._find(server, patience)
        began = self._clock.monotonic()
        while not migration.ended:
            self._show(migration, self._clock.monotonic() - began)
            self._clock.sleep(INTERVAL)
            migration = self._again(migration)
        self._screen.draw([])
        return self._end(migration)

    def _find(
        self, server: servers.Server, patience: float
    ) -> progress.Migration:
        deadline = self._clock.monotonic() + patience
        before = {m.id for m in self._records(server.id) if m.ended}
        while True:
            records = self._records(server.id)
            if records and (
                not records[0].ended or records[0].id not in before
            ):
                return records[0]
            if self._clock.monotonic() >= deadline:
                break
            self._clock.sleep(INTERVAL)
        if not records:
            raise operator_errors.No(
                f'{server.name} is on {server.host} and has never been '
                'live-migrated'
                + (
                    f'; no migration started within {patience:.0f} s'
                    if patience
                    else ''
                )
            )
        self._screen.say(
            f'No live migration of {server.name} '
            + (
                f'started within {patience:.0f} s'
                if patience
                else 'is in progress'
            )
            + '; showing the most recent one.'
        )
        return records[0]

    def _records(self, server_id: str) -> list[progress.Migration]:
        return [
            migration
            for migration in self._cloud.migrations(server_id=server_id)
            if migration.kind == 'live-migration'
        ]

    def _again(self, migration: progress.Migration) -> progress.Migration:
        """The same migration a moment later.

        :raises operator_errors.CannotAsk: the cloud has not answered for two
            minutes.
        """
        try:
            found = self._look(migration)
        except operator_errors.CannotAsk:
            if self._clock.monotonic() - self._answered_at > _API_PATIENCE:
                raise
            return migration
        self._answered_at = self._clock.monotonic()
        return found

    def _look(self, migration: progress.Migration) -> progress.Migration:
        """Nova's record of it, with its figures if they can be had."""
        running = None
        # An old or strict Nova refuses figures of 0 with an error of its own.
        with contextlib.suppress(operator_errors.CannotAsk):
            running = self._cloud.progress(migration.server_id)
        if running is not None and running.id == migration.id:
            return running
        for record in self._records(migration.server_id):
            if record.id == migration.id:
                return dataclasses.replace(
                    record, memory=migration.memory, disks=migration.disks
                )
        # Nova forgets the migrations of an instance that is deleted.
        return dataclasses.replace(migration, status='cancelled')

    def _show(self, migration: progress.Migration, seconds: float) -> None:
        self._samples.append(progress.Sample(seconds, migration.all))
        pace = progress.pace(self._samples)
        if self._screen.live:
            columns = self._screen.columns
            self._screen.draw(watch_text.bars(migration, pace, columns))
            return
        at, phase = self._said
        now = progress.phase(migration)
        if now is not phase or seconds - at >= _PLAIN_EVERY:
            self._screen.say(watch_text.plain(migration, pace, seconds))
            self._said = seconds, now

    def _end(self, migration: progress.Migration) -> Outcome:
        """Nova has a little to do after its record of the migration."""
        deadline = self._clock.monotonic() + 60
        while (
            (server := self._cloud.server(migration.server_id))
            and server.task
            and self._clock.monotonic() < deadline
        ):
            self._clock.sleep(INTERVAL)
        reason, downtime = '', None
        if server is None:
            reason = 'the instance has been deleted'
        elif not migration.completed:
            reason = self._cloud.reason(server.id)
        else:
            downtime = self._downtime_ms(migration)
        return Outcome(server, migration, reason, downtime)

    def _downtime_ms(self, migration: progress.Migration) -> int | None:
        """What the destination has told Nova; why not, if it has not."""
        try:
            found = self._cloud.downtime_ms(
                migration.server_id, migration.created
            )
        except operator_errors.OperatorError as error:
            self._screen.say(
                f'The downtime of the guest is not known: {error}.'
            )
            return None
        if found is None:
            self._screen.say(watch_text.no_downtime(migration.destination))
        return found
