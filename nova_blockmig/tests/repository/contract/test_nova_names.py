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

import pathlib

import fixtures
import nova.version

from nova_blockmig import version
from nova_blockmig.tests.contract import moved
from nova_blockmig.tests.contract import nova_names
from nova_blockmig.tests.contract import novasource
from nova_blockmig.tests.contract import uses
from nova_blockmig.tests.unit import base

MODULE = """
import os
from nova import things as other
if os:
    CONF = 1
class Base:
    def __init__(self):
        self._host = None
    @classmethod
    def get(cls, context: str, *, key: int = 1, **rest) -> None:
        pass
"""


class Tree(fixtures.Fixture):
    """A source tree of some Nova."""

    def __init__(self, **modules: str) -> None:
        self._modules = modules

    def _setUp(self) -> None:  # noqa: N802
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, text in self._modules.items():
            path = self.path.joinpath('nova', *name.split('__'))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix('.py').write_text(text)


class SourceTest(base.TestCase):
    def setUp(self):
        super().setUp()
        tree = self.useFixture(Tree(a__b=MODULE, objects__node=MODULE))
        self.nova = novasource.Source(tree.path)

    def test_what_is_there(self):
        for name in ('os', 'other', 'CONF', 'Base', 'Base.get', 'Base._host'):
            self.assertTrue(self.nova.has('nova.a.b', name), name)

    def test_what_is_not(self):
        for name in ('things', 'get', 'Base.put', 'Base._host.x', 'Other.get'):
            self.assertFalse(self.nova.has('nova.a.b', name), name)
        self.assertFalse(self.nova.has('nova.a.c', 'CONF'))

    def test_parameters_without_annotations(self):
        self.assertEqual(
            'cls, context, *, key=1, **rest',
            self.nova.parameters('nova.a.b', 'Base.get'),
        )
        self.assertIsNone(self.nova.parameters('nova.a.b', 'CONF'))

    def test_an_object(self):
        self.assertTrue(self.nova.object_class('Base'))
        self.assertFalse(self.nova.object_class('Node'))


class UsesTest(base.TestCase):
    def test_imported(self):
        self.assertEqual(
            {
                ('nova.exception', 'Bad'),
                ('nova.conf', 'CONF.libvirt.images_type'),
            },
            uses.imported(
                'from nova import exception as exc\n'
                'import nova.conf\n'
                'import novaclient.v2\n'
                'from nova_blockmig import conf\n'
                'conf.x, novaclient.v2.y\n'
                'def f():\n'
                '    raise exc.Bad(nova.conf.CONF.libvirt.images_type)\n'
            ),
        )

    def test_private(self):
        self.assertEqual(
            {'_host', '_compute'},
            uses.private(
                'self._x, cls._y, a.b, a.__c__, d._host.e\n'
                "getattr(v, '_compute', None), getattr(v, 'w')\n"
            ),
        )

    def test_of_known_objects(self):
        self.assertEqual(
            {'_host', 'spawn', 'x', 'migrate'},
            uses.of_known_objects(
                'self._driver._host.x, driver.spawn(), driver.LibvirtDriver\n'
                'guest.migrate(), self.guests.y\n'
            ),
        )

    def test_own_and_inherited(self):
        source = (
            'class LibvirtDriver(x.LibvirtDriver):\n'
            '    def __init__(self):\n'
            '        super().__init__()\n'
            '        self._mine = self.virtapi\n'
            '    def spawn(self):\n'
            '        return super()._spawn(self._mine)\n'
        )
        self.assertEqual({'__init__', 'spawn', '_mine'}, uses.own(source))
        self.assertEqual({'virtapi', '_spawn'}, uses.inherited(source))


class MovedTest(base.TestCase):
    def installed(self):
        return pathlib.Path(nova.__file__).parent.parent

    def test_the_installed_nova_has_it_all(self):
        major = version.major(nova.version.version_string())
        newest = max(version.KNOWN_RELEASES)
        self.assertEqual([], moved.moved(self.installed(), major or newest))

    def test_the_table_is_complete(self):
        self.assertEqual([], moved.unlisted(self.installed()))

    def test_another_nova_is_told_apart(self):
        driver = (
            'class LibvirtDriver:\n'
            '    def init_host(self, host, port): pass\n'
            '    def __init__(self): self._source = 1\n'
        )
        tree = self.useFixture(Tree(virt__libvirt__driver=driver)).path
        found = moved.moved(tree, 34)
        where = 'nova.virt.libvirt.driver.LibvirtDriver'
        self.assertIn(
            f'{where}.init_host takes (self, host, port), not (self, host)',
            found,
        )
        self.assertIn(
            f'{where} now has _source, which is a name of ours', found
        )
        self.assertTrue(
            any(f'{where}.pre_live_migration is gone' in f for f in found)
        )
        self.assertTrue(
            any('nova.exception.MigrationError is gone' in f for f in found)
        )

    def test_what_is_not_in_the_table(self):
        before = moved.unlisted(self.installed())
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.tests.contract.nova_names.NAMES',
                tuple(
                    name
                    for name in nova_names.NAMES
                    if name.name.rpartition('.')[2]
                    not in ('_compute', 'convert_image', 'init_host')
                ),
            )
        )
        self.assertEqual(
            {
                'driver.py: init_host',
                'nova.py: _compute',
                'inline_disks.py: nova.virt.images.convert_image',
            },
            {*moved.unlisted(self.installed())} - {*before},
        )


class NameTest(base.TestCase):
    def test_releases(self):
        name = nova_names.Name('m', 'n', None, 'w', since=32, until=33)
        self.assertEqual(
            [32, 33],
            [major for major in range(30, 36) if name.holds_in(major)],
        )
        self.assertTrue(nova_names.Name('m', 'n', None, 'w').holds_in(99))

    def test_no_name_is_listed_twice(self):
        for major in version.KNOWN_RELEASES:
            names = [
                (name.module, name.name)
                for name in nova_names.NAMES
                if name.holds_in(major)
            ]
            self.assertEqual(len(names), len(set(names)))
