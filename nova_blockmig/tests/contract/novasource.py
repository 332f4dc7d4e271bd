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

"""What a source tree of Nova defines, read without importing it."""

import ast
from collections.abc import Iterator
import functools
import pathlib


class Source:
    """A source tree of Nova.

    :param tree: the directory that holds ``nova/``.
    """

    def __init__(self, tree: pathlib.Path) -> None:
        self._tree = tree

    @functools.lru_cache(maxsize=64)  # noqa: B019
    def module(self, name: str) -> ast.Module | None:
        """The syntax tree of a module or package; None if there is none."""
        path = self._tree.joinpath(*name.split('.'))
        for file in (path.with_suffix('.py'), path / '__init__.py'):
            if file.is_file():
                return ast.parse(file.read_text())
        return None

    def parameters(self, module: str, name: str) -> str | None:
        """What a function or method takes, without annotations.

        None if it is not there, or no function.
        """
        found = self._find(module, name)
        if not isinstance(found, ast.FunctionDef):
            return None
        arguments = found.args
        every = (
            *(*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs),
            *(a for a in (arguments.vararg, arguments.kwarg) if a),
        )
        for argument in every:
            argument.annotation = None
        return ast.unparse(arguments)

    def has(self, module: str, name: str) -> bool:
        """Whether a module defines, imports or assigns a dotted name.

        An attribute that some method of a class sets on self counts as
        the class's.
        """
        return self._find(module, name) is not None

    def is_function(self, module: str, name: str) -> bool:
        """Whether it is one that the module itself defines."""
        return isinstance(self._find(module, name), ast.FunctionDef)

    def object_class(self, name: str) -> bool:
        """Whether some module of nova.objects defines this class.

        They register themselves in the package when they are imported.
        """
        return any(
            self.has(f'nova.objects.{path.stem}', name)
            for path in (self._tree / 'nova' / 'objects').glob('*.py')
        )

    def _find(self, module: str, name: str) -> ast.AST | None:
        outer, _, last = name.rpartition('.')
        return self._inside(module, outer).get(last)

    @functools.cache  # noqa: B019
    def _inside(self, module: str, name: str) -> dict[str, ast.AST]:
        """What a module defines, or the class of that name in it."""
        node = self._find(module, name) if name else self.module(module)
        return {} if node is None else dict(_defined(node))


def _defined(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names in a module's or class's body, with what defines them."""
    if isinstance(node, ast.ClassDef):
        for inner in ast.walk(node):
            match inner:
                case ast.Attribute(
                    value=ast.Name(id='self'), attr=name, ctx=ast.Store()
                ):
                    yield name, inner
    for statement in _flat(getattr(node, 'body', [])):
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, statement
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    yield alias.asname or alias.name, statement
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield target.id, statement
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, statement


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements, and what is within if and try among them."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            for block in ('body', 'orelse', 'finalbody'):
                yield from _flat(getattr(statement, block, []))
