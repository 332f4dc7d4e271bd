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

"""A cloud and a clock that a test is the master of."""

import dataclasses
import io

from nova_blockmig.cmd import screen
from nova_blockmig.core import migration_progress
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers

GIB = 2**30


class FakeClock(screen.Clock):
    """Time passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.at: list[tuple[float, object]] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [what for when, what in self.at if when <= self.now]
        self.at = [each for each in self.at if each[0] > self.now]
        for what in due:
            what()  # type: ignore[operator]

    def after(self, seconds: float, what: object) -> None:
        """Call something once so many seconds have passed."""
        self.at.append((self.now + seconds, what))


class Terminal(io.StringIO):
    """A terminal that keeps all that was written."""

    def isatty(self) -> bool:
        return True


class FakeCloud:
    """Migrations take ten seconds and end as the test says.

    :ivar fails: (instance, destination) -> why a migration fails.
    :ivar refuses: the same, but the API says so at once.
    :ivar breaks: instances that a failure puts into ERROR.
    :ivar stood_still: instance -> what its destination tells, in ms.
    :ivar asked: what was asked of it, in order.
    """

    def __init__(self, clock: FakeClock, *hosts: str) -> None:
        self.clock = clock
        self.servers: dict[str, servers.Server] = {}
        self.nodes = {
            host: servers.ComputeService(f'id-{host}', host) for host in hosts
        }
        self.room = {
            host: servers.Room(host, 64 * 1024, 64, 1000) for host in hosts
        }
        self.records: list[migration_progress.Migration] = []
        self.seconds = 10.0
        self.fails: dict[tuple[str, str], str] = {}
        self.refuses: dict[tuple[str, str], str] = {}
        self.breaks: set[str] = set()
        self.stood_still: dict[str, int] = {}
        self.asked: list[str] = []
        self.most_at_once = 0
        self._before: dict[str, servers.Server] = {}

    def add(self, name: str, host: str, **more: object) -> servers.Server:
        fields = {'status': 'ACTIVE', 'memory_mb': 1024, 'disk_gb': 10, **more}
        server = servers.Server(id=name, name=name, host=host, **fields)  # type: ignore[arg-type]
        self.servers[name] = server
        return server

    def change(self, name: str, **fields: object) -> None:
        self.servers[name] = dataclasses.replace(
            self.servers[name],
            **fields,  # type: ignore[arg-type]
        )

    # What the commands ask

    def find_server(self, name_or_id: str) -> servers.Server:
        self._pass()
        if name_or_id not in self.servers:
            raise operator_errors.CannotAsk(f'there is no {name_or_id}')
        return self.servers[name_or_id]

    def server(self, server_id: str) -> servers.Server | None:
        self._pass()
        return self.servers.get(server_id)

    def servers_on(self, host: str) -> list[servers.Server]:
        self._pass()
        return [s for s in self.servers.values() if s.host == host]

    def services(self) -> list[servers.ComputeService]:
        return list(self.nodes.values())

    def rooms(self) -> dict[str, servers.Room]:
        return {host: self._left(room) for host, room in self.room.items()}

    def _left(self, room: servers.Room) -> servers.Room:
        for server in self.servers.values():
            if server.host == room.host:
                room = room.after(server)
        for record in self.records:
            if record.destination == room.host and not record.ended:
                room = room.after(self.servers[record.server_id])
        return room

    def migrations(self, **filters: str) -> list[migration_progress.Migration]:
        self._pass()
        wanted = filters.get('server_id')
        return [
            record
            for record in reversed(self.records)
            if wanted in (None, record.server_id)
        ]

    def progress(self, server_id: str) -> migration_progress.Migration | None:
        running = [m for m in self.migrations(server_id=server_id)
                   if not m.ended]  # fmt: skip
        return running[0] if running else None

    def reason(self, server_id: str, begun: float | None = None) -> str:
        record = self.migrations(server_id=server_id)[0]
        return self.fails.get((server_id, record.destination), '')

    def downtime_ms(
        self, server_id: str, begun: float | None = None
    ) -> int | None:
        self.asked.append(f'downtime {server_id}')
        return self.stood_still.get(server_id)

    def disable(self, service: servers.ComputeService, reason: str) -> None:
        self.asked.append(f'disable {service.host}: {reason}')
        self.nodes[service.host] = dataclasses.replace(
            service, enabled=False, reason=reason
        )

    def enable(self, service: servers.ComputeService) -> None:
        self.asked.append(f'enable {service.host}')
        self.nodes[service.host] = dataclasses.replace(
            service, enabled=True, reason=''
        )

    def migrate_live(self, server_id: str, host: str) -> None:
        self._begin(server_id, host, 'live-migration', 'migrating')

    def migrate_cold(self, server_id: str, host: str) -> None:
        self._begin(server_id, host, 'migration', 'resize_migrating')

    def confirm(self, server_id: str) -> None:
        self.asked.append(f'confirm {server_id}')
        self.change(server_id, status=self._before[server_id].status)
        self._set(self.migrations(server_id=server_id)[0], 'confirmed')

    # What Nova does meanwhile

    def _begin(self, server_id: str, host: str, kind: str, task: str) -> None:
        self.asked.append(f'{kind} {server_id} to {host}')
        if why := self.refuses.get((server_id, host)):
            raise operator_errors.No(f'Nova says: {why}')
        server = self._before[server_id] = self.servers[server_id]
        number = len(self.records) + 1
        self.records.append(
            migration_progress.Migration(
                id=number,
                uuid=f'uuid-{number}',
                server_id=server_id,
                status='running' if kind == 'live-migration' else 'migrating',
                source=server.host,
                destination=host,
                kind=kind,
                created=self.clock.now,
                memory=migration_progress.Amount(GIB, GIB),
                disks=migration_progress.Amount(4 * GIB, 4 * GIB),
            )
        )
        self.change(server_id, task=task)
        going = sum(not record.ended for record in self.records)
        self.most_at_once = max(self.most_at_once, going)

    def _pass(self) -> None:
        for record in list(self.records):
            if record.ended or record.status == 'finished':
                continue
            share = (self.clock.now - record.created) / self.seconds
            if share >= 1:
                self._end(record)
            else:
                self._advance(record, share)

    def _advance(
        self, record: migration_progress.Migration, share: float
    ) -> None:
        left = int(4 * GIB * (1 - share))
        self.records[record.id - 1] = dataclasses.replace(
            record, disks=migration_progress.Amount(4 * GIB, left)
        )

    def _end(self, record: migration_progress.Migration) -> None:
        name = record.server_id
        if name not in self.servers:
            self._set(record, 'error')
            return
        if (name, record.destination) in self.fails:
            status = 'ERROR' if name in self.breaks else None
            self.change(
                name, task=None, **({'status': status} if status else {})
            )
            self._set(record, 'error')
        elif record.kind == 'migration':
            self.change(
                name, task=None, host=record.destination,
                status='VERIFY_RESIZE',
            )  # fmt: skip
            self._set(record, 'finished')
        else:
            self.change(name, task=None, host=record.destination)
            self._set(record, 'completed')

    def _set(self, record: migration_progress.Migration, status: str) -> None:
        self.records[record.id - 1] = dataclasses.replace(
            record, status=status, updated=self.clock.now
        )
