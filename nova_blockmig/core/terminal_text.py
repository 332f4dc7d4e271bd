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

"""Text for a terminal: bars, columns, sizes and times for people.

A name may be of any script and a terminal as narrow as 40 columns.
"""

import unicodedata

NARROWEST = 40


def columns_of(text: str) -> int:
    """How many columns a terminal takes for a text."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in 'WF' else 1


def printable(text: str) -> str:
    """The text without what a terminal would take for a command."""
    return ''.join(c if c.isprintable() else '?' for c in text)


def fit(text: str, columns: int) -> str:
    """The text in exactly so many columns, cut or filled up.

    >>> fit('server', 8), fit('a much longer name', 8)
    ('server  ', 'a much ~')
    """
    text = printable(text)
    if (used := columns_of(text)) <= columns:
        return text + ' ' * (columns - used)
    kept, used = '', 0
    for character in text:
        if used + _columns(character) > columns - 1:
            break
        kept += character
        used += _columns(character)
    return kept + '~' + ' ' * (columns - 1 - used)


def bar(done: int, total: int, columns: int) -> str:
    """A bar with brackets, of so many columns altogether.

    >>> bar(1, 2, 12)
    '[#####     ]'
    """
    inside = max(columns - 2, 1)
    full = inside * percent(done, total) // 100
    return f'[{"#" * full}{" " * (inside - full)}]'


def percent(done: int, total: int) -> int:
    """A whole percentage, at most 100; 100 only if all is done."""
    if total <= 0:
        return 0
    return min(100 * done // total, 100)


def duration(seconds: float) -> str:
    """A time for people, in two units at most.

    >>> duration(7), duration(90), duration(7300)
    ('7 s', '1 min 30 s', '2 h 1 min')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f'{hours} h {minutes} min' if minutes else f'{hours} h'
    if minutes:
        return f'{minutes} min {rest} s' if rest else f'{minutes} min'
    return f'{rest} s'


def milliseconds(amount: int | None) -> str:
    """A short time for people; empty if it is not known.

    >>> milliseconds(140), milliseconds(None)
    ('140 ms', '')
    """
    return '' if amount is None else f'{amount} ms'
