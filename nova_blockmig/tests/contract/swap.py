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

"""Puts another class in the place of Nova's libvirt driver.

Nova's tests reach the class under many names: they import it, patch its
attributes by path, and load it as ``libvirt.LibvirtDriver``. All of them
start from the global of ``nova.virt.libvirt.driver``, which
``nova/virt/libvirt/__init__.py`` makes an alias of. So the global is
replaced when that module has just been executed, before anybody else has
seen it.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

MODULE = 'nova.virt.libvirt.driver'
CLASS = 'LibvirtDriver'


class NotADriver(TypeError):
    """What was to replace Nova's class is not derived from it."""


def install(path: str) -> None:
    """Replace Nova's class as soon as Nova imports it.

    Imports nothing of Nova itself: its tests decide between eventlet and
    native threads when they are imported.

    :param path: of the class to put in, with its module.
    :raises RuntimeError: Nova's class was imported already.
    """
    if MODULE in sys.modules:
        raise RuntimeError(f'{MODULE} was imported before its replacement')
    sys.meta_path.insert(0, _Finder(path))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, path: str) -> None:
        self._path = path

    def find_spec(
        self,
        fullname: str,
        path: object = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, source: str, path: str) -> None:
        super().__init__(fullname, source)
        self._replacement = path

    def get_code(self, fullname: str) -> types.CodeType:
        """Compiled from the source, past any cached bytecode."""
        tree = ast.parse(self.get_data(self.path), self.path)
        code = compile(
            _BareSuper().visit(tree), self.path, 'exec', dont_inherit=True
        )
        assert isinstance(code, types.CodeType)
        return code

    def exec_module(self, module: types.ModuleType) -> None:
        super().exec_module(module)
        in_tree = getattr(module, CLASS)
        name, _, cls = self._replacement.rpartition('.')
        ours = getattr(importlib.import_module(name), cls)
        if not issubclass(ours, in_tree):
            raise NotADriver(f'{self._replacement} is no {MODULE}.{CLASS}')
        _own_static_methods(ours)
        setattr(module, CLASS, ours)


def _own_static_methods(cls: type) -> None:
    """Let a class have the static and class methods that it inherits.

    A test that puts a mock in the place of a static method finds out what
    it is from the class's own attributes; an inherited one would become a
    method that is given ``self``.
    """
    for base in cls.__mro__[1:-1]:
        for name, value in vars(base).items():
            if isinstance(value, staticmethod | classmethod) and (
                name not in vars(cls) and not name.startswith('__')
            ):
                setattr(cls, name, value)


class _BareSuper(ast.NodeTransformer):
    """``super(LibvirtDriver, self)`` to ``super()``.

    Nova 31 and 32 write it in the long form, which looks the global up at
    every call: once it is our class, the call would reach itself.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(
                func=ast.Name(id='super'), args=[ast.Name(id=name), _]
            ) if name == CLASS:
                node.args = []
        return node
