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

"""One migration that something happens to, and where its things are."""

from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from blocklab.chaos import matrix
from blocklab.lab import Lab
from blocklab.machine.host import Host
from blocklab.migration import migration
from blocklab.migration.instance import Instance

INSTANCES = '/var/lib/nova/instances'


@dataclass
class Trial:
    """A migration of `instance` from `source` to `destination`.

    :ivar domain: libvirt's name of the guest.
    :ivar known: UUIDs of the migrations before this one.
    :ivar logs: service -> how long its log was before the migration.
    """

    lab: Lab
    instance: Instance
    domain: str
    source: str
    destination: str
    logs: dict[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.known = frozenset(
            record.uuid
            for record in migration.records(self.lab, self.instance.id)
        )
        for name in (self.source, self.destination):
            service = f'nova-compute@{name}'
            self.logs[service] = self.lab.log_path(service).stat().st_size

    def name_of(self, side: str) -> str:
        """The host of a side: 'source' or 'destination'."""
        return self.source if side == matrix.SOURCE else self.destination

    def host(self, side: str) -> Host:
        return self.lab.host(self.name_of(side))

    def directory(self, side: str) -> Path:
        """The instance's directory on that side, if it is there."""
        return self.lab.instances_path(self.name_of(side)) / self.instance.id

    def logged(self, side: str) -> str:
        """What nova-compute of a side has written since the beginning."""
        service = f'nova-compute@{self.name_of(side)}'
        data = self.lab.log_path(service).read_bytes()
        return data[self.logs[service] :].decode(errors='replace')

    def qemu(self, side: str) -> int | None:
        """The process ID of the guest's QEMU on that side."""
        run = self.lab.layout.host(self.name_of(side)).run
        file = run / 'libvirt' / 'qemu' / f'{self.domain}.pid'
        try:
            return int(file.read_text())
        except (FileNotFoundError, ValueError):
            return None
