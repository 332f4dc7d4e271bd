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

"""When something was: ``2h``, ``7d``, or a date."""

import datetime
import re

_UNITS = {'m': 'minutes', 'h': 'hours', 'd': 'days', 'w': 'weeks'}


def moment(text: str, now: float) -> float:
    """The moment that a text means, in seconds since 1970.

    >>> moment('2h', 7200.0), moment('1970-01-02', 0.0)
    (0.0, 86400.0)

    :raises ValueError: it means none.
    """
    if found := re.fullmatch(r'(\d+)([mhdw])', text):
        span = datetime.timedelta(**{_UNITS[found[2]]: int(found[1])})
        return now - span.total_seconds()
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f'{text!r} is not a time: give 30m, 2h, 7d, 4w, or a date such as '
            '2026-11-25 or 2026-11-25T14:00, in UTC'
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return when.timestamp()


def iso(seconds: float) -> str:
    """The same for an API, and for people: UTC, to the second."""
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f'{when:%Y-%m-%dT%H:%M:%SZ}'
