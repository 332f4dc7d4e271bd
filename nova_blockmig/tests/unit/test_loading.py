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

import importlib.util
import pathlib
import pkgutil
import sys
from typing import Any
from unittest import mock

import fixtures

import nova_blockmig
from nova_blockmig import driver
from nova_blockmig import loading
from nova_blockmig import version
from nova_blockmig.tests.unit import base

SITE = pathlib.Path(nova_blockmig.__file__).parent.parent


def pth() -> None:
    """What site does with the .pth file up to Python 3.17."""
    for line in (SITE / 'nova-blockmig.pth').read_text().splitlines():
        if line.startswith('import '):
            exec(line, {})  # noqa: S102 - this is what site does with it


def start() -> None:
    """What site does with the .start file since Python 3.15."""
    for line in (SITE / 'nova-blockmig.start').read_text().splitlines():
        pkgutil.resolve_name(line)()


class TestRegister(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        others = [f for f in sys.meta_path if f is not loading.Finder]
        self.useFixture(fixtures.MonkeyPatch('sys.meta_path', list(others)))
        self.others = others

    def test_each_file_registers_the_finder_last(self) -> None:
        for startup in (pth, start):
            sys.meta_path[:] = self.others
            startup()
            self.assertEqual([*self.others, loading.Finder], sys.meta_path)

    def test_registered_once(self) -> None:
        """A site directory that is read twice, a Python that reads both."""
        for startup in (pth, pth, start, start):
            startup()
        self.assertEqual([*self.others, loading.Finder], sys.meta_path)

    def test_the_line_is_one_that_site_takes(self) -> None:
        """Up to 3.14 each line is read by itself; a start file has no code."""
        lines = (SITE / 'nova-blockmig.pth').read_text().splitlines()
        code = [line for line in lines if not line.startswith('#')]
        self.assertEqual(1, len(code))
        self.assertEqual(
            'nova_blockmig.loading:register\n',
            (SITE / 'nova-blockmig.start').read_text(),
        )

    def test_nothing_of_nova_is_imported(self) -> None:
        """Every Python process of the environment goes through here."""
        ours = ('nova', 'nova_blockmig', 'oslo_config', 'libvirt')
        with mock.patch.dict(sys.modules):
            for name in list(sys.modules):
                if name.split('.')[0] in ours:
                    del sys.modules[name]
            pth()
            self.assertIsNone(sys.meta_path[-1].find_spec('nova.virt', None))
            self.assertEqual(
                ['nova_blockmig', 'nova_blockmig.loading'],
                sorted(n for n in sys.modules if n.split('.')[0] in ours),
            )


class TestFinder(base.TestCase):
    def test_answers_for_one_name_only(self) -> None:
        find_spec = loading.Finder.find_spec
        for name in ('nova', 'nova.virt', 'nova.virt.libvirt', 'nova_blockmig',
                     'nova.virt.nova_blockmig.driver', 'nova_blockmig.nova',
                     'nova.virt.nova_blockmigs'):  # fmt: skip
            self.assertIsNone(find_spec(name), name)
        spec = find_spec(loading.NAME, ['/a/path'], None)
        assert spec is not None
        self.assertEqual('nova.virt.nova_blockmig', spec.name)
        self.assertFalse(spec.submodule_search_locations)


class TestModule(base.TestCase):
    def load(self) -> Any:
        spec = loading.Finder.find_spec(loading.NAME)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader = module.__loader__
        assert isinstance(loader, loading.Loader)
        loader.exec_module(module)
        return module

    def test_holds_the_driver(self) -> None:
        self.assertIs(driver.LibvirtDriver, self.load().LibvirtDriver)

    def test_refuses_an_old_nova(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch('nova.version.version_string', lambda: '30.1')
        )
        error = self.assertRaises(ImportError, self.load)
        self.assertEqual(version.refusal('30.1'), str(error))

    def test_a_newer_nova_loads(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch('nova.version.version_string', lambda: '99.0')
        )
        self.assertIs(driver.LibvirtDriver, self.load().LibvirtDriver)
