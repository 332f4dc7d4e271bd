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
"""Migrations of a lab's guest, by Nova and by virsh alone."""

from collections.abc import Mapping
import dataclasses
from pathlib import PurePosixPath
import time
from typing import Any

from blocklab import lab as labs
from blocklab.commands import lock
from blocklab.commands import up
from blocklab.guest import disks
from blocklab.machine import layout as layouts
from blocklab.migration import instance as instances
from blocklab.migration import migration
from blocklab.migration import scenario
from blocklab.migration import watch
from nova_blockmig.tests.bench import meter
from nova_blockmig.tests.bench import phases

HOSTS = layouts.COMPUTES
INSTANCES = '/var/lib/nova/instances'
_PAUSE = 0.25


def use(
    name: str,
    driver: str,
    extra: Mapping[str, Mapping[str, str]] | None = None,
) -> labs.Lab:
    """The lab with this driver on both hosts: 'in-tree' or 'blockmig'."""
    with lock.exclusive(name) as layout:
        return up.change(
            layout,
            drivers=dict.fromkeys(HOSTS, driver),
            extra=dict.fromkeys(HOSTS, extra or {}),
        )


def boot(
    lab: labs.Lab, name: str, flavor: scenario.Flavor, host: str = HOSTS[0]
) -> instances.Instance:
    """A guest that does nothing."""
    guest = scenario.boot(
        lab,
        name,
        flavor,
        host=host,
        network=False,
        config_drive=False,
        timeout=600,
    )
    guest.wait_for_guest(lambda said: said.tick >= 1, 'its start', 900)
    run(guest, 'kill $(pidof writer); sync')
    return guest


def run(guest: instances.Instance, command: str, timeout: float = 900) -> str:
    """Run a command in the guest.

    :raises RuntimeError: it failed.
    """
    reply = guest.run(command, timeout)
    if reply.status:
        raise RuntimeError(f'{command!r} in the guest: {reply.output}')
    return reply.output


@dataclasses.dataclass(frozen=True)
class Moved:
    """A migration that was completed.

    :ivar downtime_ms: as libvirt has it.
    :ivar phases: see :mod:`phases`; None for virsh.
    :ivar source: sizes of the disks before, by name.
    :ivar arrived: sizes of the disks afterwards.
    """

    spent: meter.Spent
    downtime_ms: int | None
    source: dict[str, disks.DiskSize]
    arrived: dict[str, disks.DiskSize]
    phases: Mapping[str, float] | None = None


def by_nova(
    lab: labs.Lab, guest: instances.Instance, timeout: float = 900
) -> Moved:
    """To the other host, through Nova's API, until its record is complete.

    :raises RuntimeError: it did not complete.
    """
    compute = lab.cloud.compute
    server = guest.server
    source = server.compute_host
    destination = other(source)
    known = {record.uuid for record in migration.records(lab, guest.id)}
    before = disks.sizes(lab.host(source), guest.id)
    logs = [lab.log_path(f'nova-compute@{host}') for host in HOSTS]
    positions = [log.stat().st_size for log in logs]
    began = time.time()
    with meter.Meter(lab, server.instance_name).running() as spent:
        compute.live_migrate_server(
            server, host=destination, block_migration=True
        )
        status = end(lab, guest, known, timeout)
    ended = time.time()
    if status != 'completed':
        raise RuntimeError(f'the migration of {server.name} ended {status}')
    guest.wait_for_host(destination)
    text = ''.join(
        log.read_bytes()[position:].decode(errors='replace')
        for log, position in zip(logs, positions, strict=True)
    )
    return dataclasses.replace(
        _moved(lab, destination, guest, spent, before),
        phases=phases.split(text, began, ended),
    )


def end(
    lab: labs.Lab, guest: instances.Instance, known: set[str], timeout: float
) -> str:
    """How the migration that is not among the known ones has ended."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for record in migration.records(lab, guest.id):
            if record.uuid not in known and record.status in migration.FINAL:
                return str(record.status)
        time.sleep(_PAUSE)
    return 'not'


def by_virsh(lab: labs.Lab, guest: instances.Instance, source: str) -> Moved:
    """To the other host, past Nova, which has to find it where it was again.

    The floor of the same road: the overlays are made on the destination
    beforehand, on bases that are there, and libvirt copies into them.

    :param source: where it is now.
    """
    destination = other(source)
    before = disks.sizes(lab.host(source), guest.id)
    devices = disks.devices(lab.host(source), guest.id)
    there = lab.host(destination)
    there.run(['mkdir', '-p', f'{INSTANCES}/{guest.id}'])
    for device in devices:
        size = before[device.name]
        backing: tuple[str, ...] = ()
        if size.backing:
            base = f'{INSTANCES}/_base/{size.backing}'
            backing = ('-b', base, '-F', 'raw')
            if _missing(lab, destination, size.backing):
                _copy_base(lab, source, destination, size.backing)
        there.run(
            ['qemu-img', 'create', '-q', '-f', device.format, *backing,
             device.path, str(size.virtual_bytes)]
        )  # fmt: skip
    with meter.Meter(lab, guest.server.instance_name).running() as spent:
        lab.host(source).run(
            ['virsh', 'migrate', '--live', '--p2p', '--persistent',
             '--undefinesource', '--copy-storage-inc', '--migrate-disks',
             ','.join(device.target for device in devices), guest.id,
             f'qemu+tcp://{destination}/system']
        )  # fmt: skip
    return _moved(lab, destination, guest, spent, before)


def clean(lab: labs.Lab, guest: instances.Instance, host: str) -> None:
    """Remove what virsh has left on a host that the guest is not on."""
    lab.host(host).run(['rm', '-r', f'{INSTANCES}/{guest.id}'])


def _moved(
    lab: labs.Lab,
    destination: str,
    guest: instances.Instance,
    spent: meter.Spent,
    before: dict[str, disks.DiskSize],
) -> Moved:
    there = lab.host(destination)
    job = watch.job(there, guest.id, completed=True)
    return Moved(
        spent,
        job.downtime_ms if job else None,
        before,
        disks.sizes(there, guest.id),
    )


def other(host: str) -> str:
    return HOSTS[1] if host == HOSTS[0] else HOSTS[0]


def _missing(lab: labs.Lab, host: str, base: str) -> bool:
    return not (lab.instances_path(host) / '_base' / base).exists()


def _copy_base(
    lab: labs.Lab, source: str, destination: str, base: str
) -> None:
    paths: list[Any] = [
        PurePosixPath(lab.instances_path(host), '_base', base)
        for host in (source, destination)
    ]
    lab.host('controller').run(['cp', '--sparse=always', *paths])
