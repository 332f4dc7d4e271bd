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

"""The differences between the two classes that are meant to be."""

from collections.abc import Iterable
import dataclasses
import pathlib
import tomllib
from typing import Any

FIELDS = {'test', 'ours', 'reason', 'since', 'until'}


class BadEntry(ValueError):
    """The file of allowed differences cannot be read as one."""


@dataclasses.dataclass(frozen=True)
class Allowed:
    """One of Nova's tests that need not end as it does with the in-tree class.

    :ivar test: the test's id.
    :ivar ours: how it ends with our class: ``fail``, or ``pass`` if the
        in-tree class does not pass it.
    :ivar reason: the in-tree defect that the test asserts.
    :ivar since: first OpenStack release in which it holds, or None.
    :ivar until: last one, or None.
    """

    test: str
    ours: str
    reason: str
    since: str | None = None
    until: str | None = None

    def holds_in(self, release: str) -> bool:
        """Whether release, such as ``2026.2``, is one of the entry's."""
        return (self.since or release) <= release <= (self.until or release)


def read(path: pathlib.Path) -> tuple[Allowed, ...]:
    """The entries of a file of ``[[allowed]]`` tables.

    :raises BadEntry: a field is missing, unknown or no text, a reason is
        empty, or a test is named twice for one release.
    """
    try:
        tables = tomllib.loads(path.read_text()).get('allowed', [])
    except tomllib.TOMLDecodeError as exc:
        raise BadEntry(f'{path}: {exc}') from exc
    return tuple(_entry(path, table) for table in tables)


def of_release(entries: Iterable[Allowed], release: str) -> dict[str, Allowed]:
    """The entries that hold in a release, by test.

    :raises BadEntry: two of them are about one test.
    """
    found: dict[str, Allowed] = {}
    for entry in entries:
        if not entry.holds_in(release):
            continue
        if entry.test in found:
            raise BadEntry(f'{entry.test} is named twice for {release}')
        found[entry.test] = entry
    return found


def _entry(path: pathlib.Path, table: dict[str, Any]) -> Allowed:
    test = table.get('test')
    if unknown := set(table) - FIELDS:
        raise BadEntry(
            f'{path}: {test}: unknown: {", ".join(sorted(unknown))}'
        )
    if not all(isinstance(value, str) for value in table.values()):
        raise BadEntry(f'{path}: {test}: every value is a text')
    if not all(table.get(name) for name in ('test', 'ours', 'reason')):
        raise BadEntry(f'{path}: {test}: test, ours and reason are needed')
    if table['ours'] not in ('fail', 'pass'):
        raise BadEntry(f'{path}: {test}: ours is fail or pass')
    return Allowed(**table)
