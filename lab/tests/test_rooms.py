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

"""The lab's rooms, read from the imports themselves."""

import ast
from collections.abc import Iterator
import pathlib
import unittest

PACKAGE = pathlib.Path(__file__).parents[1] / 'blocklab'

# room -> the other rooms that it may import from
ROOMS: dict[str, tuple[str, ...]] = {
    'machine': (),
    'guest': ('machine',),
    'services': ('machine',),
    'lab': ('guest', 'services', 'machine'),
    'migration': ('lab', 'guest', 'services', 'machine'),
    'chaos': ('migration', 'lab', 'guest', 'services', 'machine'),
    'soak': ('migration', 'lab', 'guest', 'services', 'machine'),
    'commands': (
        'chaos', 'soak', 'migration', 'lab', 'guest', 'services', 'machine',
    ),
    '__main__': ('commands',),
    '__init__': (),
}  # fmt: skip
LONGEST = 300


def room_of(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def modules() -> list[pathlib.Path]:
    return sorted(PACKAGE.rglob('*.py'))


def imported_rooms(source: str) -> Iterator[tuple[int, str]]:
    """Each room that is imported from, with the line."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        before = f'{node.module}.' if isinstance(node, ast.ImportFrom) else ''
        for alias in node.names:
            package, room = f'{before}{alias.name}.'.split('.')[:2]
            if package == 'blocklab':
                yield node.lineno, room


def breaches(room: str, source: str) -> list[tuple[int, str]]:
    return [
        (line, name)
        for line, name in imported_rooms(source)
        if name not in (room, *ROOMS[room])
    ]


class RoomsTest(unittest.TestCase):
    def test_no_room_imports_from_one_above_it(self) -> None:
        found = [
            f'{path.relative_to(PACKAGE)}:{line} imports from {name}'
            for path in modules()
            for line, name in breaches(room_of(path), path.read_text())
        ]
        self.assertEqual([], found)

    def test_every_room_is_known(self) -> None:
        self.assertEqual(set(ROOMS), {room_of(path) for path in modules()})

    def test_modules_are_short(self) -> None:
        found = [
            f'{path.relative_to(PACKAGE)}: {length} lines'
            for path in modules()
            if (length := len(path.read_text().splitlines())) > LONGEST
        ]
        self.assertEqual([], found)


class BreachesTest(unittest.TestCase):
    """The walls would be noticed if they were broken."""

    def test_an_import_from_above(self) -> None:
        source = 'def f():\n    from blocklab.lab import Lab\n'
        self.assertEqual([(2, 'lab')], breaches('services', source))
        self.assertEqual([], breaches('migration', source))

    def test_the_guest_and_the_services_do_not_know_each_other(self) -> None:
        source = 'from blocklab.guest import disks\n'
        self.assertEqual([(1, 'guest')], breaches('services', source))
        source = 'import blocklab.services.cloud\n'
        self.assertEqual([(1, 'services')], breaches('guest', source))
