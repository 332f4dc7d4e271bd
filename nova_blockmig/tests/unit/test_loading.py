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

import importlib
import importlib.util
import pathlib
import sys
from typing import Any
from unittest import mock

import fixtures

import nova_blockmig
from nova_blockmig import driver
from nova_blockmig import loading
from nova_blockmig import version
from nova_blockmig.tests.unit import base

PTH = pathlib.Path(nova_blockmig.__file__).parent.parent / 'nova-blockmig.pth'


def finder_of_pth_line() -> Any:
    """What the .pth file registers, as site runs it, but not left behind."""
    before = list(sys.meta_path)
    for line in PTH.read_text().splitlines():
        if line.startswith('import '):
            exec(line, {})  # noqa: S102 - this is what site does with it
    added = [finder for finder in sys.meta_path if finder not in before]
    sys.meta_path[:] = before
    return added[0]


class TestFinder(base.TestCase):
    def test_answers_for_one_name_only(self) -> None:
        finder = finder_of_pth_line()
        for name in ('nova', 'nova.virt', 'nova.virt.libvirt', 'nova_blockmig',
                     'nova.virt.nova_blockmig.driver', 'nova_blockmig.nova',
                     'nova.virt.nova_blockmigs'):  # fmt: skip
            self.assertIsNone(finder.find_spec(name), name)
        spec = finder.find_spec(loading.NAME, ['/a/path'], None)
        self.assertEqual('nova.virt.nova_blockmig', spec.name)
        self.assertFalse(spec.submodule_search_locations)

    def test_nothing_of_ours_is_imported_before_it_is_asked(self) -> None:
        with mock.patch.dict(sys.modules):
            for name in list(sys.modules):
                if name.split('.')[0] == 'nova_blockmig':
                    del sys.modules[name]
            finder_of_pth_line().find_spec('nova.virt')
            self.assertNotIn('nova_blockmig', sys.modules)
            finder_of_pth_line().find_spec(loading.NAME)
            self.assertIn('nova_blockmig.loading', sys.modules)


class TestModule(base.TestCase):
    def load(self) -> Any:
        module = importlib.util.module_from_spec(loading.spec())
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
