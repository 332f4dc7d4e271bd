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

"""A line plot with logarithmic axes, as SVG.

Few lines and few points: not worth a library in the documentation's build.
"""

from collections.abc import Sequence
import math
from xml.sax import saxutils

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 180, 40, 50
_COLORS = ('#c0392b', '#1f6fb2', '#2e8b57', '#8e6bb0')


def svg(
    title: str, across: str, up: str, lines: Sequence[tuple[str, Points]]
) -> str:
    """The plot; points that a logarithmic axis cannot show are left out."""
    shown = [
        (name, [(x, y) for x, y in points if x > 0 and y > 0])
        for name, points in lines
    ]
    every = [point for _, points in shown for point in points]
    if not every:
        raise ValueError(f'{title}: nothing to show')
    x_axis = _Axis([x for x, _ in every], _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis([y for _, y in every], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} '
        f'{_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<title>{saxutils.escape(title)}</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, size=15),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, across, 'middle'),
        _text(8, _TOP - 8, up),
    ]
    for value in x_axis.ticks():
        x = x_axis.at(value)
        parts.append(_rule(x, _TOP, x, _HEIGHT - _BOTTOM))
        parts.append(_text(x, _HEIGHT - _BOTTOM + 18, _say(value), 'middle'))
    for value in y_axis.ticks():
        y = y_axis.at(value)
        parts.append(_rule(_LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(_text(_LEFT - 8, y + 4, _say(value), 'end'))
    for number, (name, points) in enumerate(shown):
        color = _COLORS[number % len(_COLORS)]
        at = [(x_axis.at(x), y_axis.at(y)) for x, y in points]
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in at)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" '
            'stroke-width="2"/>'
        )
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>'
            for x, y in at
        ]
        y = _TOP + 18 * number + 10
        parts.append(
            f'<rect x="{_WIDTH - _RIGHT + 16}" y="{y - 9}" width="10" '
            f'height="10" fill="{color}"/>'
        )
        parts.append(_text(_WIDTH - _RIGHT + 32, y, name))
    return '\n'.join([*parts, '</svg>', ''])


class _Axis:
    """From values to places, by powers of ten."""

    def __init__(
        self, values: Sequence[float], begin: float, end: float
    ) -> None:
        self._low = math.floor(math.log10(min(values)) + 1e-9)
        self._high = max(
            math.ceil(math.log10(max(values)) - 1e-9), self._low + 1
        )
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        'stroke="#dddddd"/>'
    )


def _text(
    x: float, y: float, text: str, anchor: str = 'start', size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-size="{size}">{saxutils.escape(text)}</text>'
    )


def _say(value: float) -> str:
    return f'{value:,.0f}' if value >= 1 else f'{value:g}'
