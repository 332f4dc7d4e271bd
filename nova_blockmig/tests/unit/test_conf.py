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
from oslo_config import cfg

from nova_blockmig import conf
from nova_blockmig.core import model
from nova_blockmig.tests.unit import base


class TestOptions(base.TestCase):
    def parse(self, text: str) -> cfg.ConfigOpts:
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path = directory / 'nova.conf'
        path.write_text(text)
        parsed = cfg.ConfigOpts()
        conf.register_opts(parsed)
        parsed(['--config-file', str(path)], default_config_files=[])
        return parsed

    def test_defaults_are_the_policy_defaults(self) -> None:
        self.assertEqual(model.Policy(), conf.policy(self.parse('')))

    def test_policy(self) -> None:
        parsed = self.parse(
            '[blockmig]\n'
            'max_inline_bytes = 0\n'
            'verify_base_images = false\n'
            'disk_over_commit = actual\n'
        )
        self.assertEqual(
            model.Policy(
                max_inline_bytes=0,
                verify_base_images=False,
                disk_over_commit=model.OverCommit.ACTUAL,
            ),
            conf.policy(parsed),
        )

    def test_bounds(self) -> None:
        for line in (
            'max_inline_bytes = -1',
            'max_inline_bytes = 4MiB',
            'verify_base_images = perhaps',
            'disk_over_commit = sometimes',
        ):
            parsed = self.parse(f'[blockmig]\n{line}\n')
            name = line.split()[0]
            self.assertRaises(
                cfg.ConfigFileValueError, getattr, parsed.blockmig, name
            )

    def test_every_over_commit_is_a_choice(self) -> None:
        for choice in model.OverCommit:
            parsed = self.parse(f'[blockmig]\ndisk_over_commit = {choice}\n')
            self.assertIs(choice, conf.policy(parsed).disk_over_commit)

    def test_flags_from_where_nova_once_had_them(self) -> None:
        for section in ('blockmig', 'libvirt', 'DEFAULT'):
            parsed = self.parse(
                f'[{section}]\nblock_migration_flag = '
                'VIR_MIGRATE_LIVE, VIR_MIGRATE_TUNNELLED\n'
            )
            self.assertEqual(
                ['VIR_MIGRATE_LIVE', 'VIR_MIGRATE_TUNNELLED'],
                parsed.blockmig.block_migration_flag,
            )

    def test_registering_twice_does_no_harm(self) -> None:
        parsed = self.parse('')
        conf.register_opts(parsed)
        self.assertEqual(model.Policy(), conf.policy(parsed))

    def test_described_in_one_line(self) -> None:
        line = conf.describe(self.parse('[blockmig]\nmax_inline_bytes = 7\n'))
        self.assertNotIn('\n', line)
        for name, options in conf.list_opts():
            self.assertEqual('blockmig', name.name)
            for option in options:
                self.assertIn(f'{option.name}=', line)
        self.assertIn('max_inline_bytes=7', line)

    def test_help_is_written_as_nova_s(self) -> None:
        """A summary of one paragraph; values and relations in lists."""
        for _group, options in conf.list_opts():
            for option in options:
                told = (option.help or '').strip()
                summary = told.partition('\n\n')[0]
                self.assertRegex(summary, r'^[A-Z][^*]+\.$', option.name)
                if not getattr(option.type, 'choices', None):
                    self.assertIn('\nPossible values:\n\n* ', told)
                if '\nRelated' in told:
                    self.assertIn('\nRelated options:\n\n* ', told)
