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
"""Where the time of a migration goes, from the logs of nova-compute."""

from collections.abc import Mapping
import datetime
import itertools
import re

NAMES = ('check', 'prepare', 'copy', 'finish')
"""Up to the answer of the source's check; until the disks are made on the
destination; until QEMU has copied and switched over; until Nova's record says
so."""

_ENDS = (
    'source check data is',
    'driver pre_live_migration data is',
    'Migration operation has completed',
)
_TIME = re.compile(r'(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) ')


def split(text: str, began: float, ended: float) -> Mapping[str, float] | None:
    """Seconds of each phase.

    :param text: what the logs of both hosts have of this migration.
    :param began: time.time() of the request; and of its end.
    :returns: None if a line is missing.
    """
    times = [began]
    for what in _ENDS:
        found = [
            match
            for line in text.splitlines()
            if what in line and (match := _TIME.match(line))
        ]
        if not found:
            return None
        stamp = datetime.datetime.fromisoformat(found[0][1])
        times.append(stamp.timestamp())
    times.append(ended)
    return {
        name: end - begin
        for name, (begin, end) in zip(
            NAMES, itertools.pairwise(times), strict=True
        )
    }
