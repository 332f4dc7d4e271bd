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

import ast
import importlib
import inspect
import re
import textwrap

from nova import objects
from nova.virt.libvirt import driver  # noqa: F401 - starts processes

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.tests.contract import uses
from nova_blockmig.tests.unit import base

ANY_LIMIT = 100
"""Most uses of ``Any`` in production; lower it when there are fewer."""

objects.register_all()

PROTOCOLS = {
    name: cls
    for module in (nova_types, libvirt_types)
    for name, cls in vars(module).items()
    if inspect.isclass(cls) and getattr(cls, '_is_protocol', False)
    if cls.__module__ == module.__name__
}


def described(protocol: type) -> type | None:
    """The class that a protocol's docstring begins with, if it names one."""
    found = re.match(r'((?:\w+\.)+)(\w+)[.;]', protocol.__doc__ or '')
    if found is None:
        return None
    module = importlib.import_module(found[1].rstrip('.'))
    described: type = getattr(module, found[2])
    return described


def attributes(protocol: type) -> set[str]:
    properties = {
        name
        for name, value in vars(protocol).items()
        if isinstance(value, property)
    }
    return properties | set(inspect.get_annotations(protocol))


def methods(protocol: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value)
        for name, value in vars(protocol).items()
        if inspect.isfunction(value) and not name.startswith('__init')
        if value.__module__ == protocol.__module__
    }


def has_attribute(cls: type, name: str) -> bool:
    """Whether its instances have it: a field, a member, or set on self."""
    return (
        name in getattr(cls, 'fields', ())
        or hasattr(cls, name)
        or any(name in set_on_self(one) for one in cls.__mro__[:-1])
    )


def set_on_self(cls: type) -> set[str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return set()
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def mismatch(ours: inspect.Signature, theirs: inspect.Signature) -> str | None:
    """Why a call that ours allows may not reach theirs as it is meant."""
    wanted = list(ours.parameters.values())
    present = list(theirs.parameters.values())
    open_ended = any(p.kind is p.VAR_KEYWORD for p in present)
    for position, parameter in enumerate(wanted):
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.name not in theirs.parameters and not open_ended:
                return f'{parameter.name} is not taken'
        elif position >= len(present):
            return f'{parameter.name} is not taken'
        elif present[position].name != parameter.name:
            return f'{parameter.name} is {present[position].name}'
    for parameter in present:
        if (
            parameter.default is parameter.empty
            and parameter.name not in ours.parameters
            and parameter.kind
            not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ):
            return f'{parameter.name} is required'
    return None


class TestProtocols(base.TestCase):
    def test_most_describe_a_class(self) -> None:
        """Those that do not say what they are in a sentence."""
        self.assertEqual(
            {'EventQueue'},
            {n for n, cls in PROTOCOLS.items() if described(cls) is None},
        )

    def test_the_classes_have_the_attributes(self) -> None:
        missing = [
            f'{name}.{attribute}'
            for name, protocol in PROTOCOLS.items()
            if (cls := described(protocol))
            for attribute in sorted(attributes(protocol))
            if not has_attribute(cls, attribute)
        ]
        self.assertEqual([], missing)

    def test_the_classes_take_the_calls(self) -> None:
        wrong = [
            f'{name}.{method}: {problem}'
            for name, protocol in PROTOCOLS.items()
            if (cls := described(protocol))
            for method, ours in methods(protocol).items()
            if (problem := self.problem(cls, method, ours))
        ]
        self.assertEqual([], wrong)

    def problem(
        self, cls: type, method: str, ours: inspect.Signature
    ) -> str | None:
        theirs = inspect.getattr_static(cls, method, None)
        if theirs is None:
            return 'is gone'
        return mismatch(ours, inspect.signature(getattr(cls, method)))

    def test_every_member_is_used(self) -> None:
        used = {'__contains__'}  # in, and not in
        for path in uses.modules():
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    used.add(node.attr)
                elif isinstance(node, ast.Constant):
                    used.add(str(node.value))
        unused = [
            f'{name}.{member}'
            for name, protocol in PROTOCOLS.items()
            for member in sorted({*attributes(protocol), *methods(protocol)})
            if member not in used
        ]
        self.assertEqual([], unused)


class TestMismatch(base.TestCase):
    def check(self, ours, theirs):
        return mismatch(inspect.signature(ours), inspect.signature(theirs))

    def test_what_fits(self) -> None:
        self.assertIsNone(
            self.check(lambda s, a, *, c: 0, lambda s, a, b=1, c=2: 0)
        )
        self.assertIsNone(
            self.check(lambda s, a, *, z: 0, lambda s, a, **more: 0)
        )

    def test_what_does_not(self) -> None:
        for theirs, problem in (
            (lambda s: 0, 'a is not taken'),
            (lambda s, b, a: 0, 'a is b'),
            (lambda s, a, c, d: 0, 'd is required'),
            (lambda s, a: 0, 'c is not taken'),
        ):
            self.assertEqual(
                problem, self.check(lambda s, a, *, c=1: 0, theirs)
            )


class TestAny(base.TestCase):
    def test_how_much_is_untyped(self) -> None:
        found = sum(
            isinstance(node, ast.Name) and node.id == 'Any'
            for path in uses.modules()
            for node in ast.walk(ast.parse(path.read_text()))
        )
        self.assertGreater(found, ANY_LIMIT // 2, 'lower the limit')
        self.assertLess(found, ANY_LIMIT)
