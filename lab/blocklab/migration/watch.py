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

"""What can be seen of a migration while it runs, on both hosts."""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
import re
import time

import psutil

from blocklab.lab import Lab
from blocklab.machine.errors import CommandFailed
from blocklab.machine.host import Host
from blocklab.migration.instance import Instance

LIBVIRT_PORT = 16509
# What libvirt uses for QEMU's own connections: qemu.conf, migration_port_min
# and migration_port_max.
QEMU_PORTS = range(49152, 49216)


@dataclass(frozen=True)
class Connection:
    """A TCP connection of a host, as "ss" on that host shows it."""

    host: str
    local: str
    peer: str
    process: str

    def __str__(self) -> str:
        return f'{self.host}: tcp {self.local} {self.peer} {self.process}'


@dataclass(frozen=True)
class Job:
    """libvirt's figures of a migration job, in bytes and milliseconds."""

    memory_processed: int = 0
    memory_total: int = 0
    disk_processed: int = 0
    disk_total: int = 0
    downtime_ms: int | None = None


@dataclass(frozen=True)
class Sample:
    """One look at a migration.

    :ivar seconds: since the migration was asked for.
    :ivar status: the server's status in Nova's API.
    :ivar migration_status: Nova's record of the migration, or None.
    :ivar nova_memory_bytes: memory processed, as Nova's API has it.
    :ivar nova_disk_bytes: disk processed, as Nova's API has it.
    :ivar job: libvirt's own figures on the source; None without a job.
    :ivar cpu_percent: host -> processor time of its QEMU since the sample
        before, in percent of one processor.
    """

    seconds: float
    status: str
    migration_status: str | None
    nova_memory_bytes: int
    nova_disk_bytes: int
    job: Job | None
    cpu_percent: dict[str, float]
    connections: tuple[Connection, ...]


class Watch:
    """Collects samples of one instance's migration.

    :param show: called with each sample and the one before it, if any.
    """

    def __init__(
        self,
        lab: Lab,
        instance: Instance,
        source: str,
        show: Callable[[Sample, Sample | None], None] = lambda *_: None,
    ) -> None:
        self._lab = lab
        self._instance = instance
        self._source = lab.host(source)
        self._domain = instance.server.instance_name
        self._show = show
        self._began = time.monotonic()
        self._spent: dict[str, tuple[float, float]] = {}
        self.samples: list[Sample] = []

    def look(self) -> None:
        """Take a sample."""
        server = self._instance.server
        running = next(
            iter(self._lab.cloud.compute.server_migrations(server.id)), None
        )
        sample = Sample(
            seconds=round(time.monotonic() - self._began, 1),
            status=server.status,
            migration_status=running and running.status,
            nova_memory_bytes=(running and running.memory_processed_bytes)
            or 0,
            nova_disk_bytes=(running and running.disk_processed_bytes) or 0,
            job=job(self._source, self._instance.id),
            cpu_percent=dict(self._cpu()),
            connections=tuple(self._connections()),
        )
        self._show(sample, self.samples[-1] if self.samples else None)
        self.samples.append(sample)

    def statuses(self) -> tuple[str, ...]:
        """The server's statuses, in the order they were seen."""
        return tuple(dict.fromkeys(sample.status for sample in self.samples))

    def all_connections(self) -> tuple[str, ...]:
        """Every connection that was seen, in order."""
        seen = (each for s in self.samples for each in s.connections)
        return tuple(dict.fromkeys(map(str, seen)))

    def most_disk_bytes(self) -> int | None:
        """libvirt's count of what was to be copied, at its highest.

        A look may miss the end, so what is done is less sure.
        """
        counts = [s.job.disk_total for s in self.samples if s.job]
        return max(counts, default=None)

    def mean_cpu(self) -> dict[str, float]:
        """Host -> mean of its QEMU's share of a processor, in percent."""
        shares: dict[str, list[float]] = {}
        for sample in self.samples:
            for host, share in sample.cpu_percent.items():
                shares.setdefault(host, []).append(share)
        return {
            host: round(sum(of) / len(of), 1) for host, of in shares.items()
        }

    def _cpu(self) -> Iterator[tuple[str, float]]:
        for host in self._lab.layout.computes:
            pid = host.run / 'libvirt' / 'qemu' / f'{self._domain}.pid'
            try:
                spent = psutil.Process(int(pid.read_text())).cpu_times()
            except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
                continue
            now = time.monotonic()
            total = spent.user + spent.system
            if before := self._spent.get(host.name):
                share = (total - before[1]) / (now - before[0])
                yield host.name, round(100 * share, 1)
            self._spent[host.name] = now, total

    def _connections(self) -> Iterator[Connection]:
        for host in self._lab.layout.computes:
            yield from connections(self._lab.host(host.name))


def connections(host: Host) -> list[Connection]:
    """The connections of libvirtd and QEMU between two hosts."""
    listing = host.run(['ss', '-Htnp', 'state', 'established'])
    return parse_connections(host.name, listing)


def parse_connections(host: str, listing: str) -> list[Connection]:
    """What belongs to a migration in the output of "ss -Htnp".

    A port of the range that QEMU listens on can also be one that some
    client was given: both the process and the port are asked.
    """
    found = []
    for line in listing.splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        local, peer = map(_plain, words[2:4])
        match = re.search(r'\(\("([^"]+)"', line)
        process = match[1] if match else ''
        ports = {int(address.rpartition(':')[2]) for address in (local, peer)}
        if LIBVIRT_PORT in ports or (
            process.startswith('qemu') and ports & set(QEMU_PORTS)
        ):
            found.append(Connection(host, local, peer, process))
    return found


def _plain(address: str) -> str:
    """An IPv4 address as such where a socket for both kinds shows it."""
    return re.sub(r'\[(?:::ffff:)?([0-9.]+)\]', r'\1', address)


def job(host: Host, domain: str, *, completed: bool = False) -> Job | None:
    """libvirt's figures of the running or of the last job.

    :param completed: those of the migration that brought the guest here.
    """
    options = ['--completed', '--keep-completed'] if completed else []
    try:
        said = host.run(
            ['virsh', 'domjobinfo', '--rawstats', *options, domain]
        )
    except CommandFailed:  # the guest has left, or there was no job
        return None
    return parse_job(said)


def parse_job(listing: str) -> Job | None:
    """The figures in the output of "virsh domjobinfo --rawstats"."""
    figures = {
        name: int(value)
        for name, value in re.findall(r'^(\w+): (\d+)$', listing, re.M)
    }
    if 'memory_processed' not in figures and 'disk_processed' not in figures:
        return None
    return Job(
        memory_processed=figures.get('memory_processed', 0),
        memory_total=figures.get('memory_total', 0),
        disk_processed=figures.get('disk_processed', 0),
        disk_total=figures.get('disk_total', 0),
        downtime_ms=figures.get('downtime'),
    )
