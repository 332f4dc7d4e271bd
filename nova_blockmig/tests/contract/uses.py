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

"""Which names of Nova our own code uses, found by reading it."""

import ast
from collections.abc import Iterator
import pathlib

import nova_blockmig

PACKAGE = pathlib.Path(nova_blockmig.__file__).parent
DRIVER = PACKAGE / 'driver.py'
CLASS = 'LibvirtDriver'
OBJECTS = ('driver', '_driver', '_host', 'guest')
"""What our code calls objects of Nova whose class is not to be seen."""


def modules() -> Iterator[pathlib.Path]:
    """Every module of ours, tests excepted."""
    for path in sorted(PACKAGE.rglob('*.py')):
        if path.relative_to(PACKAGE).parts[0] != 'tests':
            yield path


def imported(source: str) -> set[tuple[str, str]]:
    """Names taken from Nova's modules: the module and what is taken.

    ``from nova import exception`` with ``exception.NovaException`` is
    (``nova.exception``, ``NovaException``); further dots are kept.
    """
    tree = ast.parse(source)
    aliases = dict(_aliases(tree))
    found = set()
    for node in ast.walk(tree):
        chain = _chain(node)
        for alias, module in aliases.items():
            if chain is not None and chain.startswith(f'{alias}.'):
                found.add((module, chain.removeprefix(f'{alias}.')))
    # Of 'a.b.c' the walk has met 'a.b' as well.
    return {
        (module, name)
        for module, name in found
        if not any(
            other.startswith(f'{name}.') for m, other in found if m == module
        )
    }


def private(source: str) -> set[str]:
    """Private names of something else than self, or asked for by getattr."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id='self' | 'cls')):
                continue
            case ast.Attribute(attr=name) if _is_private(name):
                found.add(name)
            case ast.Call(
                func=ast.Name(id='getattr'),
                args=[_, ast.Constant(value=str(name)), *_],
            ) if _is_private(name):
                found.add(name)
    return found


def of_known_objects(source: str) -> set[str]:
    """Attributes of what our code calls by one of OBJECTS."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(
                value=ast.Name(id=holder) | ast.Attribute(attr=holder),
                attr=name,
            ) if holder in OBJECTS and name != CLASS:
                found.add(name)
    return found


def own(source: str) -> set[str]:
    """What our driver class defines or sets: methods and attributes."""
    found = set()
    for node in _driver_class(source):
        match node:
            case ast.FunctionDef(name=name):
                found.add(name)
            case ast.Attribute(
                value=ast.Name(id='self'), attr=name, ctx=ast.Store()
            ):
                found.add(name)
    return found


def inherited(source: str) -> set[str]:
    """What our driver class uses of itself without defining it."""
    used = set()
    for node in _driver_class(source):
        match node:
            case ast.Attribute(value=ast.Name(id='self'), attr=name):
                used.add(name)
            case ast.Attribute(
                value=ast.Call(func=ast.Name(id='super')), attr=name
            ):
                used.add(name)
    return used - own(source)


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The names under which a module has Nova's modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f'{node.module}.'.startswith('nova.'):
                    name = alias.asname or alias.name
                    yield name, f'{node.module}.{alias.name}'
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith('nova.'):
                    yield alias.asname or alias.name, alias.name


def _driver_class(source: str) -> Iterator[ast.AST]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name == CLASS:
            yield from ast.walk(node)


def _is_private(name: str) -> bool:
    return name.startswith('_') and not name.startswith('__')


def _chain(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            before = _chain(value)
            return None if before is None else f'{before}.{name}'
    return None
