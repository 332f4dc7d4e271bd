# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The DevStack plug-in's phases, with a stand-in for DevStack's functions."""

import os
import pathlib
import subprocess
import sys

import fixtures
from oslo_config import cfg
import testtools

from nova_blockmig import conf

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parents[2]
FUNCTIONS = HERE / 'devstack_functions.sh'

# As stack.sh, and as unstack.sh and clean.sh, which are other processes.
STACK = """
run override_defaults
run source
for phase in pre-install install post-config extra test-config; do
    run stack $phase
done
"""
UNSTACK = 'run override_defaults; run source; run unstack'
CLEAN = 'run source; run clean'

RUN = """
set -o errexit
source "$FUNCTIONS"
run() {
    case $1 in
    override_defaults) source "$PLUGIN/override-defaults" ;;
    source) source "$PLUGIN/settings" ;;
    *) source "$PLUGIN/plugin.sh" "$@" ;;
    esac
}
"""


class PluginTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.libvirt = self.root / 'libvirt' / 'libvirtd.conf'
        self.libvirt.parent.mkdir()
        self.libvirt.write_text('#auth_tcp = "sasl"\nmax_clients = 7\n')
        self.socket = self.root / 'systemd' / 'libvirtd-tcp.socket.d'
        self.nova_conf = self.root / 'nova.conf'
        self.nova_conf.write_text(
            '[DEFAULT]\ncompute_driver = libvirt.LibvirtDriver\n\n'
            '[libvirt]\nlive_migration_uri = qemu+ssh://stack@%s/system\n'
        )
        binaries = self.root / 'bin'
        binaries.mkdir()
        python = binaries / 'python3'
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        self.variables = {
            'DEVSTACK_VENV': '/venv',
            'ENABLED_SERVICES': 'n-cpu,n-api',
            'FUNCTIONS': str(FUNCTIONS),
            'GLOBAL_VENV': 'True',
            'NOVA_BIN_DIR': str(binaries),
            'NOVA_BLOCKMIG_LIBVIRT_CONF_DIR': str(self.libvirt.parent),
            'NOVA_CONF': str(self.nova_conf),
            'NOVA_MY_IP': '192.0.2.7',
            'PATH': os.environ['PATH'],
            'PLUGIN': str(REPOSITORY / 'devstack'),
            'PYTHONPATH': str(REPOSITORY),
            'ROOT': str(self.root),
            'SYSTEMD_DIR': str(self.root / 'systemd'),
            'VIRT_DRIVER': 'libvirt',
        }

    def run_phases(
        self, phases: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ['/bin/bash', '-c', RUN + phases],
            env=self.variables | variables,
            text=True,
            capture_output=True,
            check=False,
        )

    def stack_with_tcp(self, **variables: str) -> None:
        self.stack(NOVA_BLOCKMIG_LIBVIRT_TCP='True', **variables)

    def stack(self, phases: str = STACK, **variables: str) -> None:
        done = self.run_phases(phases, **variables)
        self.assertEqual(0, done.returncode, done.stderr)

    def commands(self) -> list[str]:
        try:
            return (self.root / 'commands').read_text().splitlines()
        finally:
            (self.root / 'commands').unlink(missing_ok=True)

    def nova(self) -> cfg.ConfigOpts:
        """What nova-compute would read."""
        read = cfg.ConfigOpts()
        conf.register_opts(read)
        read.register_opt(cfg.StrOpt('compute_driver'))
        read.register_opts(
            [
                cfg.StrOpt('live_migration_uri'),
                cfg.StrOpt('live_migration_inbound_addr'),
            ],
            group='libvirt',
        )
        read([], default_config_files=[str(self.nova_conf)])
        return read

    def test_stack_sets_the_driver(self) -> None:
        self.stack()
        nova = self.nova()
        self.assertEqual('nova_blockmig.LibvirtDriver', nova.compute_driver)
        self.assertIn(f'setup_develop {REPOSITORY}', self.commands())

    def test_migrating_over_tcp(self) -> None:
        self.stack_with_tcp()
        nova = self.nova()
        self.assertEqual(
            'qemu+tcp://%s/system', nova.libvirt.live_migration_uri
        )
        self.assertEqual('192.0.2.7', nova.libvirt.live_migration_inbound_addr)

    def test_every_option_can_be_set(self) -> None:
        options = {
            option.name: str(option.default)
            for _group, options in conf.list_opts()
            for option in options
            if option.default not in ([], None)
        }
        options['max_inline_bytes'] = '12345'
        options['disk_over_commit'] = 'actual'
        self.stack(
            **{f'BLOCKMIG_{name.upper()}': v for name, v in options.items()}
        )
        nova = self.nova()
        self.assertEqual(12345, nova.blockmig.max_inline_bytes)
        self.assertEqual('actual', nova.blockmig.disk_over_commit)
        for name, value in options.items():
            self.assertEqual(value, str(nova.blockmig[name]))

    def test_an_unknown_option_stops_stack(self) -> None:
        done = self.run_phases(STACK, BLOCKMIG_MAX_INLYNE_BYTES='1')
        self.assertEqual(1, done.returncode)
        self.assertIn(
            'BLOCKMIG_MAX_INLYNE_BYTES: [blockmig] has no option '
            'max_inlyne_bytes',
            done.stderr,
        )

    def test_libvirtd_listens_on_one_address(self) -> None:
        self.stack_with_tcp()
        self.assertEqual(
            '[Socket]\nListenStream=\nListenStream=192.0.2.7:16509\n',
            (self.socket / 'nova-blockmig.conf').read_text(),
        )
        self.assertIn('auth_tcp = "none" #', self.libvirt.read_text())
        # A socket is handed over at the start of the service only.
        self.assertEqual(
            [
                'systemctl daemon-reload',
                'systemctl stop libvirtd',
                'systemctl start libvirtd-tcp.socket',
                'systemctl start libvirtd',
            ],
            self.commands()[-4:],
        )

    def test_ipv6(self) -> None:
        self.stack_with_tcp(NOVA_MY_IP='2001:db8::7')
        self.assertIn(
            'ListenStream=[2001:db8::7]:16509\n',
            (self.socket / 'nova-blockmig.conf').read_text(),
        )

    def test_stack_twice_then_unstack_leaves_nothing(self) -> None:
        before = self.libvirt.read_text()
        self.stack_with_tcp()
        once = self.libvirt.read_text()
        self.stack_with_tcp()
        self.assertEqual(once, self.libvirt.read_text())
        self.commands()
        self.stack(UNSTACK)
        self.assertEqual(before, self.libvirt.read_text())
        self.assertFalse(self.socket.exists())
        self.assertIn(
            'systemctl stop libvirtd-tcp.socket', commands := self.commands()
        )
        self.assertIn('systemctl restart libvirtd', commands)

    def test_unstack_leaves_a_libvirtd_alone_that_is_not_ours(self) -> None:
        self.stack(UNSTACK)
        self.assertEqual(
            [
                'define_plugin nova-blockmig',
                'systemctl is-active --quiet virtproxyd.socket',
            ],
            self.commands(),
        )

    def test_an_operators_own_auth_tcp_is_kept(self) -> None:
        self.libvirt.write_text('auth_tcp = "sasl"\n')
        done = self.run_phases(STACK, NOVA_BLOCKMIG_LIBVIRT_TCP='True')
        self.assertEqual(1, done.returncode)
        self.assertIn('sets auth_tcp already', done.stderr)
        self.assertEqual('auth_tcp = "sasl"\n', self.libvirt.read_text())

    def test_libvirtd_is_not_opened_unless_asked_for(self) -> None:
        before = self.libvirt.read_text()
        self.stack()
        self.assertFalse(self.socket.exists())
        self.assertEqual(before, self.libvirt.read_text())
        self.assertEqual(
            'qemu+ssh://stack@%s/system',
            self.nova().libvirt.live_migration_uri,
        )

    def test_clean_uninstalls_from_the_venv(self) -> None:
        self.stack(CLEAN)
        self.assertIn('pip_uninstall nova-blockmig in /venv', self.commands())

    def test_a_node_without_nova_compute_is_left_alone(self) -> None:
        nova, libvirt = self.nova_conf.read_text(), self.libvirt.read_text()
        self.stack(ENABLED_SERVICES='n-api,n-cond')
        self.assertEqual(nova, self.nova_conf.read_text())
        self.assertEqual(libvirt, self.libvirt.read_text())
        self.assertEqual(['define_plugin nova-blockmig'], self.commands())

    def test_refused_hosts(self) -> None:
        for variables, reason in (
            ({'VIRT_DRIVER': 'ironic'}, 'needs VIRT_DRIVER=libvirt'),
            ({'NOVA_BACKEND': 'LVM'}, 'makes block devices'),
        ):
            done = self.run_phases(STACK, **variables)
            self.assertEqual(1, done.returncode)
            self.assertIn(reason, done.stderr)

    def test_a_nova_without_tags_is_not_replaced(self) -> None:
        done = self.run_phases(
            'run source; NOVA_BLOCKMIG_MIN_NOVA=999; run stack install',
            NOVA_DIR='/opt/stack/nova',
        )
        self.assertEqual(1, done.returncode)
        self.assertIn('fetch the tags in /opt/stack/nova', done.stderr)
        self.assertNotIn(f'setup_develop {REPOSITORY}', self.commands())
