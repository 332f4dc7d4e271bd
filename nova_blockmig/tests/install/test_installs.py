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

"""Our driver loads in every kind of install, and Nova's own always does."""

import configparser
import pathlib
import shutil
from typing import ClassVar
import zipfile

import testtools

from nova_blockmig.tests.install import environment

OURS = 'nova_blockmig.LibvirtDriver'
IN_TREE = 'libvirt.LibvirtDriver'
OUR_CLASS = 'nova_blockmig.driver.LibvirtDriver'
IN_TREE_CLASS = 'nova.virt.libvirt.driver.LibvirtDriver'
STARTUP_FILES = ['nova-blockmig.pth', 'nova-blockmig.start']
# Tests that need a checkout, with its lab and its tools.
NOT_SHIPPED = tuple(
    f'nova_blockmig/tests/{kind}/'
    for kind in (
        'bench', 'contract', 'functional', 'install', 'lab', 'lab_debian',
        'lab_long', 'lab_unlike', 'repository',
    )
)  # fmt: skip
NOT_FOUND = "No module named 'nova.virt.nova_blockmig'"


class TestInstalls(testtools.TestCase):
    env: ClassVar[environment.Environment]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.env = environment.Environment()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.env.remove()
        super().tearDownClass()

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.env.uninstall, 'nova', 'nova-blockmig')

    def install_nova_wheel(self) -> None:
        self.env.install('--no-deps', f'nova=={self.env.nova_version()}')

    def assert_loads(
        self, nova: pathlib.Path, *classes: str, **env: str
    ) -> None:
        """The in-tree driver, ours and that again, with Nova from ``nova``."""
        self.assertEqual(
            [str(nova / 'nova' / '__init__.py'), *classes],
            self.env.probe(IN_TREE, OURS, IN_TREE, **env),
        )

    def assert_both_load(self, nova: pathlib.Path, **env: str) -> None:
        self.assert_loads(nova, IN_TREE_CLASS, OUR_CLASS, IN_TREE_CLASS, **env)

    def assert_in_tree_only(self, nova: pathlib.Path) -> None:
        self.assert_loads(nova, IN_TREE_CLASS, NOT_FOUND, IN_TREE_CLASS)

    def check_life(self, nova: pathlib.Path, *ours: object) -> None:
        """In-tree before us, both with us, in-tree after us; nothing left."""
        before = self.env.listing()
        self.assert_in_tree_only(nova)
        self.env.pip('install', *ours, '-c', environment.CONSTRAINTS)
        self.assert_both_load(nova)
        self.check_startup_files()
        self.env.pip('uninstall', '--yes', 'nova-blockmig')
        self.assertEqual(before, self.env.listing())
        self.assert_in_tree_only(nova)

    def check_startup_files(self) -> None:
        """Each of the two suffices, and one finder is enough for both."""
        for name in STARTUP_FILES:
            self.assertTrue((self.env.site / name).is_file(), name)
        self.assertEqual(1, self.env.finders())
        self.assertEqual(1, self.env.finders(start_files=True))
        pth = self.env.site / 'nova-blockmig.pth'
        aside = pth.rename(self.env.directory / pth.name)
        try:
            self.assertEqual(0, self.env.finders())
            self.assertEqual(1, self.env.finders(start_files=True))
        finally:
            aside.rename(pth)

    def test_wheel_beside_a_wheel_of_nova(self) -> None:
        self.install_nova_wheel()
        self.check_life(self.env.site, self.env.wheel)

    def test_ours_may_be_loaded_first(self) -> None:
        self.install_nova_wheel()
        self.env.pip('install', '--no-deps', self.env.wheel)
        self.assertEqual(
            [OUR_CLASS, IN_TREE_CLASS], self.env.probe(OURS, IN_TREE)[1:]
        )

    def test_editable_beside_a_wheel_of_nova(self) -> None:
        self.install_nova_wheel()
        self.check_life(self.env.site, '--editable', self.env.tree)

    def test_strict_editable(self) -> None:
        """Links to each file, where the other kind links to the package."""
        self.install_nova_wheel()
        self.check_life(
            self.env.site,
            *('--config-settings', 'editable_mode=strict'),
            *('--editable', self.env.tree),
        )

    def test_wheel_from_the_source_distribution(self) -> None:
        self.install_nova_wheel()
        self.check_life(self.env.site, self.env.source_distribution())

    def test_wheel_beside_an_editable_nova(self) -> None:
        tree = self.env.nova_tree()
        self.env.install('--no-deps', '--editable', tree)
        self.check_life(tree, self.env.wheel)
        # DevStack's services also find the source tree first on the path.
        self.env.pip('install', '--no-deps', self.env.wheel)
        self.assert_both_load(tree, PYTHONPATH=str(tree))

    def test_both_editable(self) -> None:
        tree = self.env.nova_tree()
        self.env.install('--no-deps', '--editable', tree)
        self.check_life(tree, '--editable', self.env.tree)

    def test_two_site_directories(self) -> None:
        """As on Debian: Nova in dist-packages, ours below /usr/local."""
        nova = self.env.directory / 'dist-packages'
        ours = self.env.directory / 'local'
        layout = self.env.site / 'layout.pth'
        self.addCleanup(layout.unlink)
        self.env.install(
            '--no-deps', '--target', nova, f'nova=={self.env.nova_version()}'
        )
        for order in ((nova, ours), (ours, nova)):
            layout.write_text(
                ''.join(
                    f'import site; site.addsitedir({str(directory)!r})\n'
                    for directory in order
                )
            )
            ours.mkdir()
            before = self.env.listing(nova, ours)
            self.assert_in_tree_only(nova)
            self.env.install('--no-deps', '--target', ours, self.env.wheel)
            for name in STARTUP_FILES:
                self.assertIn(str(ours / name), self.env.listing(ours))
            self.assert_both_load(nova)
            self.env.uninstall('--target', ours, 'nova-blockmig')
            left = self.env.listing(nova, ours) - before
            # uv keeps a lock of its own in a target directory.
            self.assertEqual(set(), left - {str(ours / '.lock')})
            self.assert_in_tree_only(nova)
            shutil.rmtree(ours)

    def test_refuses_an_old_nova(self) -> None:
        """A Nova that calls itself 30.2.1; a true one needs old libraries."""
        self.install_nova_wheel()
        (info,) = self.env.site.glob('nova-*.dist-info/METADATA')
        text = info.read_text()
        version = self.env.nova_version()
        # The file may be a hard link into the installer's cache.
        info.unlink()
        info.write_text(
            text.replace(f'\nVersion: {version}\n', '\nVersion: 30.2.1\n')
        )
        self.env.pip('install', '--no-deps', self.env.wheel)
        _nova, ours, in_tree = self.env.probe(OURS, IN_TREE)
        self.assertIn('needs Nova 31 (2025.1) or newer', ours)
        self.assertIn('this is Nova 30.2.1', ours)
        self.assertEqual(IN_TREE_CLASS, in_tree)

    def test_content_of_the_wheel(self) -> None:
        """The package with its unit tests, its metadata and the two files."""
        names = zipfile.ZipFile(self.env.wheel).namelist()
        info = self.env.wheel.name.removesuffix('-py3-none-any.whl')
        outside = [
            name
            for name in names
            if not name.startswith(('nova_blockmig/', f'{info}.dist-info/'))
        ]
        self.assertEqual(STARTUP_FILES, sorted(outside))
        self.assertIn(f'{info}.dist-info/licenses/LICENSE', names)
        package = {n for n in names if n.startswith('nova_blockmig/')}
        listed = environment.listed('nova_blockmig')
        self.assertEqual(
            {name for name in listed if not name.startswith(NOT_SHIPPED)},
            package,
        )
        for directory in NOT_SHIPPED:
            self.assertTrue(
                any(name.startswith(directory) for name in listed), directory
            )

    def test_the_package_offers_no_tempest_plugin(self) -> None:
        """The plug-in is a distribution of its own."""
        for wheel, groups in (
            (self.env.wheel, []),
            (self.env.plugin_wheel(), ['tempest.test_plugins']),
        ):
            with zipfile.ZipFile(wheel) as archive:
                (name,) = (
                    name
                    for name in archive.namelist()
                    if name.endswith('.dist-info/entry_points.txt')
                )
                entry_points = archive.read(name).decode()
            read = configparser.ConfigParser()
            read.read_string(entry_points)
            self.assertEqual(
                groups, [s for s in read.sections() if 'tempest' in s]
            )

    def test_the_unit_tests_pass_where_they_are_installed(self) -> None:
        self.install_nova_wheel()
        self.env.install(
            *(self.env.wheel, 'fixtures', 'hypothesis', 'oslotest'),
            *('testtools', '-c', environment.CONSTRAINTS),
        )
        self.assertIn(
            'OK\n', self.env.unit_tests(self.env.site / 'nova_blockmig')
        )
