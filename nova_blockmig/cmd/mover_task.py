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

"""What a mover is to do."""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses

from nova_blockmig.core import drain_plan
from nova_blockmig.core import drain_record
from nova_blockmig.core import servers

State = drain_record.State


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be done.

    :ivar host: the host that is emptied or filled again.
    :ivar leaving: whether it is emptied.
    :ivar destinations: host -> what it has left, asked anew each time.
    :ivar cold: whether those that are shut off may move cold.
    :ivar at_once: how many may be under way.
    """

    host: str
    leaving: bool
    destinations: Callable[[], Mapping[str, servers.Room]]
    cold: bool = False
    at_once: int = 2

    def is_done(self, server: servers.Server) -> bool:
        """Whether an instance is where it should be."""
        return (server.host == self.host) is not self.leaving

    def step(
        self,
        journey: drain_record.Journey,
        entry: drain_record.Entry,
        server: servers.Server,
        tried: Mapping[str, list[str]],
    ) -> drain_plan.Step:
        """What to do with it now; the plan's own hosts are kept free."""
        rooms = dict(self.destinations())
        for other in journey.of(State.PLANNED):
            if other is not entry and other.destination in rooms:
                rooms[other.destination] = rooms[other.destination].after(
                    dataclasses.replace(
                        server, memory_mb=other.memory_mb, vcpus=0,
                        disk_gb=other.disk_gb,
                    )
                )  # fmt: skip
        planned = {
            host: room
            for host, room in rooms.items()
            if host == entry.destination
        }
        (step,) = drain_plan.plan(
            [server], planned or rooms, cold=self.cold, tried=tried
        )
        if planned and not step.moves:
            (step,) = drain_plan.plan(
                [server], rooms, cold=self.cold, tried=tried
            )
        return step
