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

"""What is said of an instance and of the hosts that it may move to."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from nova_blockmig.core import dry_run
from nova_blockmig.core import errors
from nova_blockmig.core import known_bad
from nova_blockmig.core import known_on_hosts
from nova_blockmig.core import machine_type
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers
from nova_blockmig.core import travel_time
from nova_blockmig.core import verdict

FITS, DOES_NOT_FIT, NOT_ASKED = 'fits', 'does not fit', 'not asked'
MAY_FIT = 'may fit'
# In the order in which they are shown, with the exit code of a command whose
# best answer it is.
_CODES = {FITS: 0, MAY_FIT: 2, DOES_NOT_FIT: 1, NOT_ASKED: 2}
_RESOURCES = tuple(str(resource) for resource in verdict.Resource)
# For programs: all that the hosts said.
LONG = (
    'destination', 'result', *_RESOURCES, 'reason', 'rows', 'disks', 'flags',
    'record', 'versions', 'known_defects', 'travel_bytes', 'disk_total_bytes',
    'memory_bytes', 'seconds',
)  # fmt: skip
# vm_states; Nova moves nothing else live.
_LIVE = ('active', 'paused')
Time = Callable[[str, int, int], travel_time.Estimate | None]
"""Host, bytes that travel and bytes that libvirt counts -> how long."""
_BY_RECORD = (
    'it runs the in-tree driver or an older nova-blockmig; only its compute '
    'node record was evaluated, which has neither reserved_host_disk_mb nor '
    'the image cache'
)


class Line:
    """One destination, as it answered or did not.

    :param source: how the instance would leave for that host.
    """

    def __init__(
        self,
        server: servers.Server,
        source: dry_run.Source,
        service: servers.ComputeService,
        answer: dry_run.Destination | operator_errors.NotAnswered,
        time: Time,
    ) -> None:
        self.host = service.host
        self._values: dict[str, Any] = {'destination': service.host}
        if isinstance(answer, dry_run.Destination):
            self._values |= _judged(server, source, service, answer)
            memory = server.memory_mb * 2**20
            estimate = time(
                service.host,
                source.travel_bytes + memory,
                source.total_bytes + memory,
            )
            self._values['time'] = str(estimate or '')
            self._values['seconds'] = estimate and [
                round(estimate.shortest, 1), round(estimate.longest, 1)
            ]  # fmt: skip
        else:
            self._values |= {'result': NOT_ASKED, 'reason': str(answer)}

    @property
    def exit_code(self) -> int:
        """Of a command that has nothing better to say."""
        return _CODES[self._values['result']]

    @property
    def rank(self) -> tuple[int, str]:
        """Those that it fits on first, then by name."""
        return list(_CODES).index(self._values['result']), self.host

    def says(self, column: str) -> bool:
        """Whether there is anything in a column."""
        return bool(self._values.get(column))

    def values(self, columns: Sequence[str]) -> tuple[Any, ...]:
        """What is in the columns."""
        return tuple(self._values.get(column, '') for column in columns)


def short(lines: Iterable[Line]) -> tuple[str, ...]:
    """The columns for people: those that say anything."""
    lines = list(lines)
    columns = (
        'destination', 'result', *_RESOURCES, 'time', 'known defects',
        'reason',
    )  # fmt: skip
    return tuple(c for c in columns if any(line.says(c) for line in lines))


def _judged(
    server: servers.Server,
    source: dry_run.Source,
    service: servers.ComputeService,
    there: dry_run.Destination,
) -> dict[str, Any]:
    judged = dry_run.judge(server.id, source, there)
    reasons = list(_reasons(server, source, service, there))
    for row in judged.rows:
        if not row.fits:
            reasons.append(_short_of(row))
    result = DOES_NOT_FIT if reasons else FITS
    if there.by_record:
        reasons.append(_BY_RECORD)
        result = MAY_FIT if result == FITS else result
    defects = known_on_hosts.of_destination(there)
    return {
        **{str(row.resource): _cell(row) for row in judged.rows},
        'result': result,
        'reason': '; '.join(reasons),
        'known defects': ', '.join(each.entry.name for each in defects),
        'known_defects': [
            each.sentence() for each in (*_defects(source, server), *defects)
        ],
        'versions': {
            source.host: dict(source.versions),
            there.host: dict(there.versions),
        },
        'rows': [_row(row) for row in judged.rows],
        'disks': source.to_plain()['disks'],
        'flags': list(source.flags),
        'record': dict(there.record),
        'travel_bytes': source.travel_bytes,
        'disk_total_bytes': source.total_bytes,
        'memory_bytes': server.memory_mb * 2**20,
    }


def _reasons(
    server: servers.Server,
    source: dry_run.Source,
    service: servers.ComputeService,
    there: dry_run.Destination,
) -> Iterator[str]:
    """Why not, the room aside."""
    if server.status not in _LIVE:
        yield (
            f'the instance is {server.status}: only active and paused '
            'instances can be live-migrated'
        )
    elif server.task:
        yield (
            f'another operation is in progress on the instance: {server.task}'
        )
    if source.refusal:
        yield source.refusal
    if there.host == source.host:
        yield 'the instance is already on this host'
    elif there.images_type not in ('', source.images_type):
        yield str(
            errors.ImagesTypeDiffers(
                source.host, source.images_type, there.images_type
            )
        )
    qemu = there.versions.get(known_bad.Product.QEMU)
    if machine_type.is_too_new(source.machine_type, qemu):
        yield str(errors.MachineTypeTooNew(source.machine_type))
    if not service.enabled:
        why = f' ({service.reason})' if service.reason else ''
        yield f'the compute service of {service.host} is disabled{why}'


def _cell(row: verdict.Row) -> str:
    there = row.available.bytes
    of = '?' if there is None else verdict.human(there)
    return f'{verdict.human(row.need_bytes)} of {of}'


def _short_of(row: verdict.Row) -> str:
    there = row.available.bytes
    if there is None:
        return f'{row.name}: {row.available.unknown}'
    return f'{row.name}: {verdict.human(row.need_bytes - there)} short'


def _row(row: verdict.Row) -> dict[str, Any]:
    return {
        'resource': row.name,
        'need_bytes': row.need_bytes,
        'available_bytes': row.available.bytes,
        'terms': [list(term) for term in row.available.terms],
        'unknown': row.available.unknown,
        'fits': row.fits,
    }


def _defects(
    source: dry_run.Source, server: servers.Server
) -> tuple[known_on_hosts.Defect, ...]:
    return known_on_hosts.of_source(source, running=server.status == 'active')


def about_source(
    source: dry_run.Source, server: servers.Server
) -> Iterator[str]:
    """The disks, and what of them travels."""
    yield f'{server.name} on {source.host}, {source.images_type} disks:'
    for disk in source.disks:
        line = (
            f'  {disk.name}: {disk.format}, '
            f'{verdict.human(disk.virtual_bytes)} '
            f'({verdict.human(disk.allocated_bytes)} allocated)'
        )
        if disk.backing_file:
            line += f', backing file {disk.backing_file.rpartition("/")[2]}'
        yield line
        inline = (
            f', {verdict.human(disk.inline_bytes)}'
            if disk.inline_bytes
            else ''
        )
        yield f'    {disk.method}{inline}: {disk.reason}'
    memory = verdict.human(server.memory_mb * 2**20)
    yield (
        f'{verdict.human(source.travel_bytes)} of disk data and up to '
        f'{memory} of memory will be transferred.'
    )
    if source.total_bytes > 1.1 * source.travel_bytes:
        total = verdict.human(source.total_bytes)
        yield (
            f'libvirt and Nova will report {total} for the disks, because '
            'they count zeroes in full although hardly any data is sent for '
            'them.'
        )
    for defect in _defects(source, server):
        yield f'{defect.sentence()}.'


def about_destination(
    source: dry_run.Source, there: dry_run.Destination
) -> Iterator[str]:
    """What one destination has, and the flags in force."""
    yield f'{there.host}, from its compute node record:'
    for column, value in there.record.items():
        yield f'  {column}: {"unknown" if value is None else value}'
    for row in dry_run.judge('', source, there).rows:
        yield f'{row.summary()}.'
        if working := row.working():
            yield f'  {working}'
    for defect in known_on_hosts.of_destination(there):
        yield f'{defect.sentence()}.'
    yield f'Flags: {", ".join(source.flags)}'
