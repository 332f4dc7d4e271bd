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

"""Asking beforehand, on a bus that answers from memory."""

import dataclasses
import threading
from typing import Any

import fixtures

from nova_blockmig.cmd import by_record
from nova_blockmig.cmd import check
from nova_blockmig.core import dry_run
from nova_blockmig.core import servers
from nova_blockmig.core import travel_time
from nova_blockmig.tests.unit.cmd import test_command
from nova_blockmig.tests.unit.core import test_dry_run

SERVER = 'bd261aa7-728b-4edb-bd18-2ae2370b6549'
GIB = 2**30


class Rendezvous:
    """Counts how many are here at once; the first wait for so many.

    :ivar seen: the most that were here at once.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._lock = threading.Lock()
        self._all_here = threading.Event()
        self._here = self.seen = 0

    def meet(self) -> None:
        with self._lock:
            self._here += 1
            self.seen = max(self.seen, self._here)
            if self._here >= self._expected:
                self._all_here.set()
        self._all_here.wait(30)
        with self._lock:
            self._here -= 1


class FakeBus:
    """The compute hosts of a cell."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.source_said = test_dry_run.SOURCE
        self.for_in_tree: Any = test_dry_run.SOURCE
        self.asked: list[tuple[str, str, bool | None]] = []
        self.server = servers.Server(
            SERVER, 'web-1', 'active', 'server2', memory_mb=4096
        )
        self.rendezvous: Rendezvous | None = None
        self.nodes: dict[str, servers.ComputeService] = {}
        self.migrations: list[travel_time.Past] = []
        self.row: dict[str, Any] = {}

    def instance(self, server_id: str) -> servers.Server:
        return dataclasses.replace(self.server, id=server_id)

    def services(self) -> list[servers.ComputeService]:
        return [
            self.nodes.get(host) or servers.ComputeService(f'id-{host}', host)
            for host in {'server2': {}, **self.answers}
        ]

    def past(self, source: str) -> list[travel_time.Past]:
        return self.migrations

    def source(
        self, host: str, server_id: str, *, in_tree: bool = False
    ) -> dry_run.Source:
        assert host == 'server2'
        said = self.for_in_tree if in_tree else self.source_said
        if isinstance(said, Exception):
            raise said
        return said

    def record(
        self, host: str, server: servers.Server, disk_over_commit: bool | None
    ) -> dry_run.Destination:
        row = {'memory_mb': 8192, 'disk_available_least': 6, **self.row}
        return by_record.destination(host, row, server, disk_over_commit)

    def destination(
        self, host: str, server_id: str, disk_over_commit: bool | None
    ) -> dry_run.Destination:
        self.asked.append((host, server_id, disk_over_commit))
        if self.rendezvous:
            self.rendezvous.meet()
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return dataclasses.replace(
            test_dry_run.DESTINATION, host=host, **answer
        )


class CheckTestCase(test_command.CommandTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.bus = FakeBus()
        self.bus.answers = {'server-01': {}}
        self.useFixture(
            fixtures.MockPatchObject(check.Check, 'bus', lambda *_: self.bus)
        )
        self.useFixture(
            fixtures.MockPatchObject(
                check.Check, 'connection', lambda _: object()
            )
        )
