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
import sys

import fixtures

from nova_blockmig.tests.contract import swap
from nova_blockmig.tests.unit import base

IN_TREE = """
class Base:
    def __init__(self):
        self.made = ['base']

class LibvirtDriver(Base):
    def __init__(self):
        super(LibvirtDriver, self).__init__()
        self.made.append('in-tree')

    @staticmethod
    def static():
        return 'static'

def make():
    return LibvirtDriver()
"""
OURS = """
import in_tree_of_this_test

class LibvirtDriver(in_tree_of_this_test.LibvirtDriver):
    def __init__(self):
        super().__init__()
        self.made.append('ours')

class Stranger:
    pass
"""


class SwapTest(base.TestCase):
    def load(self, replacement):
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        source = directory / 'in_tree_of_this_test.py'
        source.write_text(IN_TREE)
        (directory / 'ours_of_this_test.py').write_text(OURS)
        self.useFixture(fixtures.MonkeyPatch('sys.modules', {**sys.modules}))
        self.useFixture(
            fixtures.MonkeyPatch('sys.path', [str(directory), *sys.path])
        )
        name = source.stem
        loader = swap._Loader(name, str(source), replacement)
        spec = importlib.util.spec_from_loader(name, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loader.exec_module(module)
        return module

    def test_everybody_gets_ours(self):
        module = self.load('ours_of_this_test.LibvirtDriver')
        # The in-tree class calls super() in its long form, by the name that
        # is now ours.
        self.assertEqual(['base', 'in-tree', 'ours'], module.make().made)

    def test_static_methods_are_found_in_the_class(self):
        module = self.load('ours_of_this_test.LibvirtDriver')
        self.assertIsInstance(
            vars(module.LibvirtDriver)['static'], staticmethod
        )

    def test_a_stranger(self):
        self.assertRaises(
            swap.NotADriver, self.load, 'ours_of_this_test.Stranger'
        )

    def test_too_late(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'sys.modules', {**sys.modules, swap.MODULE: None}
            )
        )
        self.assertRaises(RuntimeError, swap.install, 'a.B')
