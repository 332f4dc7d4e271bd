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

"""A page for the change ticket: what was planned, and what happened when.

It is whole in itself: no network, no script.
"""

from collections.abc import Iterable
from collections.abc import Iterator
import datetime
import html

from nova_blockmig.core import drain_record
from nova_blockmig.core import journey_text
from nova_blockmig.core import terminal_text
from nova_blockmig.core import verdict

_STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 1000px;
       padding: 0 1em; color: #222; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3em .6em; vertical-align: top;
         border-bottom: 1px solid #ddd; overflow-wrap: break-word; }
td:first-child, td:last-child { overflow-wrap: anywhere; }
td:first-child { min-width: 9em; } small { color: #666; }
th { border-bottom: 2px solid #888; white-space: nowrap; }
.moved { color: #11662b; } .failed { color: #a11212; }
.stays { color: #8a5a00; }
svg { width: 100%; height: auto; }
svg text { font: 12px sans-serif; fill: #222; }
"""
_COLOURS = {True: '#2f9e55', False: '#d23f3f'}
# Of the timeline, in pixels.
_WIDTH, _LEFT, _ROW = 960, 200, 24
_NAME_COLUMNS = 26


def page(record: drain_record.Record, now: float) -> str:
    """The whole page.

    :param now: seconds since 1970; until then what has not ended goes on.
    """
    title = html.escape(f'Maintenance of {record.host}')
    parts = [
        '<!DOCTYPE html>',
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f'<title>{title}</title><style>{_STYLE}</style></head><body>',
        f'<h1>{title}</h1>',
        *_journey('Drain', record.drain, now),
    ]
    if record.restore is not None:
        parts += _journey('Restore', record.restore, now)
    parts.append(f'<p>Written on {_moment(now)}.</p></body></html>')
    return '\n'.join(parts) + '\n'


def _journey(
    title: str, journey: drain_record.Journey, now: float
) -> Iterator[str]:
    end = f'ended {_moment(journey.ended)}' if journey.ended else 'not ended'
    yield f'<h2>{title}</h2>'
    yield (
        f'<p>Started {_moment(journey.began)}, {end}: '
        f'{html.escape(journey_text.summary(journey))}.</p>'
    )
    yield from _table(journey.entries.values())
    attempts = [
        (entry, attempt)
        for entry in journey.entries.values()
        for attempt in entry.attempts
    ]
    if attempts:
        yield _timeline(attempts, now)


def _table(entries: Iterable[drain_record.Entry]) -> Iterator[str]:
    heads = ('Instance', 'Up to', 'Result', 'Host', 'Time', 'Reason')
    yield '<table><thead><tr>'
    yield ''.join(f'<th>{head}</th>' for head in heads)
    yield '</tr></thead><tbody>'
    for entry in entries:
        seconds = sum(attempt.seconds for attempt in entry.attempts)
        cells = (
            verdict.human(entry.memory_mb * 2**20 + entry.disk_gb * 2**30),
            str(entry.state),
            entry.destination,
            terminal_text.duration(seconds) if seconds else '',
            entry.reason,
        )
        yield (
            f'<tr class="{entry.state}"><td>{_text(entry.name)}<br>'
            f'<small>{_text(entry.id)}</small></td>'
            + ''.join(f'<td>{_text(cell)}</td>' for cell in cells)
            + '</tr>'
        )
    yield '</tbody></table>'


def _text(cell: str) -> str:
    return html.escape(terminal_text.printable(cell))


def _timeline(
    attempts: list[tuple[drain_record.Entry, drain_record.Attempt]],
    now: float,
) -> str:
    """A bar for each migration, from when it was asked for to its end."""
    attempts = sorted(attempts, key=lambda each: each[1].began)
    start = attempts[0][1].began
    ends = [attempt.ended or now for _, attempt in attempts]
    span = max(max(ends) - start, 1.0)
    scale = (_WIDTH - _LEFT - 10) / span
    height = _ROW * (len(attempts) + 1)
    rows = []
    for number, (entry, attempt) in enumerate(attempts):
        top = _ROW * number + 4
        left = _LEFT + (attempt.began - start) * scale
        length = max(((attempt.ended or now) - attempt.began) * scale, 2)
        name = html.escape(terminal_text.fit(entry.name, _NAME_COLUMNS))
        told = f'{attempt.way} to {attempt.destination}'
        if attempt.reason:
            told += f': {attempt.reason}'
        rows.append(
            f'<text x="0" y="{top + 13}">{name}</text>'
            f'<rect x="{left:.1f}" y="{top}" width="{length:.1f}" '
            f'height="16" fill="{_COLOURS[not attempt.reason]}">'
            f'<title>{html.escape(told)}</title></rect>'
        )
    rows.append(_axis(span, height))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-label="Timeline of the migrations">'
        + '\n'.join(rows) + '</svg>'
    )  # fmt: skip


def _axis(span: float, height: int) -> str:
    quarters = []
    for part in range(5):
        x = _LEFT + (_WIDTH - _LEFT - 10) * part / 4
        anchor = 'end' if part == 4 else 'middle' if part else 'start'
        label = terminal_text.duration(span * part / 4)
        quarters.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - _ROW}" '
            'stroke="#ccc"/>'
            f'<text x="{x:.1f}" y="{height - 6}" text-anchor="{anchor}">'
            f'{label}</text>'
        )
    return ''.join(quarters)


def _moment(seconds: float) -> str:
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f'{when:%Y-%m-%d %H:%M:%S} UTC'
