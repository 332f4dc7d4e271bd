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

"""How a migration is shown while it runs: bars, or plain lines."""

from nova_blockmig.core import migration_progress as progress
from nova_blockmig.core import terminal_text
from nova_blockmig.core import verdict

_BAR = 30


def bars(
    migration: progress.Migration,
    pace: progress.Pace | None,
    columns: int,
) -> list[str]:
    """A line for the phase, one for memory and one for the disks."""
    # Until the scheduler has chosen, there is no destination.
    there = migration.destination or 'another host'
    lines = [
        f'{migration.source} to {there}: '
        f'{progress.phase(migration)}{_time_left(pace)}'
    ]
    for label, amount in (
        ('memory', migration.memory),
        ('disks', migration.disks),
    ):
        lines.append(_line(label, amount, columns))
    return [terminal_text.fit(line, columns).rstrip() for line in lines]


def _line(label: str, amount: progress.Amount, columns: int) -> str:
    start = f'  {label:<7}'
    if not amount.total:
        return f'{start}not known yet'
    share = terminal_text.percent(amount.done, amount.total)
    sizes = f'{verdict.human(amount.done)} of {verdict.human(amount.total)}'
    wide = columns >= len(start) + _BAR + len(sizes) + 8
    rest = len(start) + 6 + (len(sizes) + 2 if wide else 0)
    length = max(min(_BAR, columns - rest), 5)
    line = f'{start}{terminal_text.bar(amount.done, amount.total, length)}'
    return f'{line} {share:3} %' + (f'  {sizes}' if wide else '')


def plain(
    migration: progress.Migration, pace: progress.Pace | None, seconds: float
) -> str:
    """The same in one line, for a log.

    :param seconds: since the beginning.
    """
    words = [
        f'{seconds:6.0f} s  {progress.phase(migration)}',
        *(
            f'{label} {terminal_text.percent(amount.done, amount.total)} % '
            f'of {verdict.human(amount.total)}'
            for label, amount in (
                ('memory', migration.memory),
                ('disks', migration.disks),
            )
            if amount.total
        ),
    ]
    return ', '.join(words) + _time_left(pace)


def _time_left(pace: progress.Pace | None) -> str:
    if pace is None:
        return ''
    shortest = terminal_text.duration(pace.shortest)
    longest = terminal_text.duration(pace.longest)
    left = shortest if shortest == longest else f'{shortest} to {longest}'
    return f', {verdict.human(int(pace.rate))}/s, {left} left'


def no_downtime(destination: str) -> str:
    """Why nobody knows how long the guest stood still.

    :param destination: compute host.
    """
    return (
        f'The downtime of the guest is not known: {destination} has not told '
        'Nova. It does not if it runs the in-tree driver, if there are no '
        'local disks, or if its libvirtd has been restarted since; and Nova '
        'shows it to administrators only.'
    )
