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

"""What the demo shows on the terminal."""

from collections.abc import Iterable
import shlex
from typing import Any

from blocklab.migration import report
from blocklab.migration.report import Move
from blocklab.migration.report import Report
from blocklab.migration.watch import Job
from blocklab.migration.watch import Sample


def server(server: Any, flavor: Any) -> None:
    """The instance, as the article shows it."""
    addresses = (
        f'{network} {entry["addr"]}'
        for network, entries in server.addresses.items()
        for entry in entries
    )
    lines = (
        ('OS-EXT-SRV-ATTR:host', server.compute_host),
        ('OS-EXT-SRV-ATTR:instance_name', server.instance_name),
        ('config_drive', str(server.has_config_drive)),
        ('flavor', f'{flavor.name}: Disk {flavor.disk}, Ephemeral '
                   f'{flavor.ephemeral}, Swap {flavor.swap}'),
        ('id', server.id),
        ('name', server.name),
        ('status', server.status),
        ('network', ', '.join(addresses) or '-'),
    )  # fmt: skip
    _say(report.table(('Property', 'Value'), lines))


def command(title: str, words: Iterable[str]) -> None:
    """The beginning of a move."""
    _say(f'\n{title}\n\n$ {shlex.join(words)}')


def sample(sample: Sample, before: Sample | None) -> None:
    """A look at a migration: one line, and new connections below it."""
    job = sample.job or Job()
    figures = (
        f'{sample.seconds:5.1f} s',
        f'{sample.status:<9}',
        f'{sample.migration_status or "-":<10}',
        f'memory {_of(job.memory_processed, job.memory_total)}',
        f'disk {_of(job.disk_processed, job.disk_total)}',
        f'(Nova: {report.human(sample.nova_memory_bytes)}, '
        f'{report.human(sample.nova_disk_bytes)})',
        'CPU ' + (_cpu(sample.cpu_percent) or '-'),
    )
    _say('  '.join(figures))
    known = before.connections if before else ()
    for each in sample.connections:
        if each not in known:
            _say(f'         {each}')


def move(move: Move) -> None:
    """The end of a move."""
    _say(
        f'\nMigration {move.status}: {move.source} -> {move.destination}, '
        f'{move.seconds} s'
    )
    if move.reason:
        _say(f'Nova tells why: {move.reason}')
    if move.disks:
        downtime = (
            '-' if move.downtime_ms is None else f'{move.downtime_ms} ms'
        )
        _say(
            f'memory sent {report.human(move.memory_bytes)}, disks sent '
            f'{report.human(move.disk_bytes)}, downtime {downtime}, CPU '
            f'{_cpu(move.cpu_percent) or "-"}'
        )
        _say(report.disk_table(move.disks))
        if not move.guest_runs:
            _say('The guest was restarted or stands still.')


def conclusion(result: Report) -> None:
    """The last word."""
    differ = [row.name for row in report.overall(result.moves)
              if not row.identical]  # fmt: skip
    if result.sound:
        said = 'both migrations completed, every disk is identical.'
    elif differ:
        said = f'NOT the same after the moves: {", ".join(differ)}.'
    else:
        ended = ', '.join(move.status for move in result.moves)
        said = f'the moves ended as: {ended}.'
    _say(f'\nNova {result.nova_version}, driver {result.driver}: {said}')


def _cpu(shares: Any) -> str:
    return ', '.join(f'{host} {share:.0f} %' for host, share in shares.items())


def _of(done: int, total: int) -> str:
    if not total:
        return '-'
    return f'{report.human(done)} of {report.human(total)}'


def _say(text: str) -> None:
    print(text, flush=True)
