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

"""The walls between the rooms, read from the imports themselves."""

import ast
from collections.abc import Iterable
from collections.abc import Iterator
import pathlib
import sys

import nova_blockmig
from nova_blockmig.tests.unit import base

PACKAGE = pathlib.Path(nova_blockmig.__file__).parent
ROOT = PACKAGE.parent
STANDARD = frozenset(sys.stdlib_module_names)

# room -> what it may import beside the standard library; a name covers
# what lies beneath it. A room may always import its own modules.
ROOMS: dict[str, tuple[str, ...]] = {
    'loading': (
        'nova.version',
        'nova_blockmig.driver',
        'nova_blockmig.version',
    ),
    'version': (),
    'core': (),
    'conf': ('nova_blockmig.core', 'oslo_config'),
    'host': ('nova_blockmig.core', 'cryptography', 'libvirt', 'oslo_'),
    'compute': (
        'nova_blockmig.conf',
        'nova_blockmig.core',
        'nova_blockmig.host',
        'nova_blockmig.version',
        'eventlet.tpool',
        'lxml.etree',
        'oslo_',
        # Nova's objects, exceptions, options and image code, what writes an
        # instance's events, and the module that libvirt is taken from.
        'nova.compute.task_states',
        'nova.compute.utils',
        'nova.compute.vm_states',
        'nova.conf',
        'nova.context',
        'nova.exception',
        'nova.image',
        'nova.objects',
        'nova.version',
        'nova.virt.driver',
        'nova.virt.images',
        'nova.virt.libvirt',
    ),
    'driver': (
        'nova_blockmig.compute',
        'nova_blockmig.conf',
        'nova_blockmig.version',
        'nova.virt.libvirt.driver',
        'oslo_',
    ),
    'cmd': (
        'nova_blockmig.compute',
        'nova_blockmig.conf',
        'nova_blockmig.core',
        'nova_blockmig.host',
        'nova_blockmig.version',
        'cliff',
        'keystoneauth1',
        'nova',
        'openstack',
        'oslo_',
    ),
}
BANNED_NAMES = {'utils', 'helpers', 'common', 'manager'}
LONGEST = 300
LONGEST_TEST = 400
# A table of names, one a line.
TABLES = {'tests/contract/nova_names.py'}


def room_of(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def modules() -> list[pathlib.Path]:
    """Every module that is run in production."""
    return [
        path
        for path in sorted(PACKAGE.rglob('*.py'))
        if room_of(path) not in ('tests', '__init__')
    ]


def length_of(path: pathlib.Path) -> int:
    """Lines of a module; the driver's signatures, as Nova's, as one each."""
    source = path.read_text()
    length = len(source.splitlines())
    if room_of(path) == 'driver':
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                length -= node.body[0].lineno - node.lineno - 1
    return length


def too_long(paths: Iterable[pathlib.Path], most: int) -> list[str]:
    """Those with more lines than that, and how many they have."""
    return [
        f'{path.relative_to(ROOT)}: {length} lines'
        for path in paths
        if (length := length_of(path)) > most
    ]


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Each imported name in full, with its line; functions' imports too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, 'import by the full name'
            for alias in node.names:
                yield node.lineno, f'{node.module}.{alias.name}'


def allowed(room: str, name: str) -> bool:
    if name.split('.')[0] in STANDARD:
        return True
    return any(
        (name.startswith(wall) if wall.endswith('_') else
         name == wall or name.startswith(f'{wall}.'))
        for wall in (f'nova_blockmig.{room}', *ROOMS[room])
    )  # fmt: skip


def breaches(room: str, source: str) -> list[tuple[int, str]]:
    return [
        (line, name)
        for line, name in imports(source)
        if not allowed(room, name)
    ]


class TestWalls(base.TestCase):
    def test_every_module_stays_in_its_room(self) -> None:
        found = [
            f'{path.relative_to(ROOT)}:{line} imports {name}'
            for path in modules()
            for line, name in breaches(room_of(path), path.read_text())
        ]
        self.assertEqual([], found)

    def test_every_room_is_known(self) -> None:
        self.assertEqual(
            set(), {room_of(path) for path in modules()} - set(ROOMS)
        )

    def test_no_global_configuration_below_compute(self) -> None:
        found = [
            f'{path.relative_to(ROOT)}:{node.lineno}'
            for path in modules()
            if room_of(path) in ('core', 'host')
            for node in ast.walk(ast.parse(path.read_text()))
            if (isinstance(node, ast.Name) and node.id == 'CONF')
            or (isinstance(node, ast.Attribute) and node.attr == 'CONF')
        ]
        self.assertEqual([], found)
        self.assertFalse(allowed('host', 'nova.conf'))

    def test_options_are_ours_in_one_place_only(self) -> None:
        found = [
            f'{path.relative_to(ROOT)}:{line}'
            for path in modules()
            if room_of(path) != 'conf'
            for line, name in imports(path.read_text())
            if name.startswith('oslo_config') and room_of(path) != 'cmd'
        ]
        self.assertEqual([], found)

    def test_nobody_takes_libvirt_past_nova(self) -> None:
        found = [
            f'{path.relative_to(ROOT)}:{line}'
            for path in modules()
            if room_of(path) in ('compute', 'driver')
            for line, name in imports(path.read_text())
            if name.split('.')[0] == 'libvirt'
        ]
        self.assertEqual([], found)

    def test_no_module_without_a_subject(self) -> None:
        found = [
            str(path.relative_to(ROOT))
            for path in sorted(PACKAGE.rglob('*.py'))
            if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES
        ]
        self.assertEqual([], found)

    def test_modules_are_short(self) -> None:
        self.assertEqual([], too_long(modules(), LONGEST))

    def test_tests_are_short(self) -> None:
        tests = [
            path
            for path in sorted((PACKAGE / 'tests').rglob('*.py'))
            if str(path.relative_to(PACKAGE)) not in TABLES
        ]
        self.assertEqual([], too_long(tests, LONGEST_TEST))


class TestBreaches(base.TestCase):
    """The walls would be noticed if they were broken."""

    def test_core(self) -> None:
        for name in (
            'nova.objects',
            'libvirt',
            'oslo_log.log',
            'nova_blockmig.host.files',
            'nova_blockmig.conf',
        ):
            self.assertEqual(
                [(1, name)], breaches('core', f'import {name}\n'), name
            )
        self.assertEqual([], breaches('core', 'import struct\n'))
        self.assertEqual(
            [], breaches('core', 'from nova_blockmig.core import model\n')
        )

    def test_an_import_within_a_function(self) -> None:
        source = 'def f():\n    from nova import conf\n'
        self.assertEqual([(2, 'nova.conf')], breaches('host', source))

    def test_a_name_covers_what_lies_beneath_it_only(self) -> None:
        self.assertTrue(allowed('compute', 'nova.objects.fields'))
        self.assertFalse(allowed('compute', 'nova.objectstore'))
        self.assertFalse(allowed('cmd', 'nova_blockmig.driver'))
