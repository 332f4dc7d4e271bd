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

"""Names, places and addresses of a lab."""

from pathlib import Path

import testtools

from blocklab.machine import errors
from blocklab.machine import layout


class LayoutTest(testtools.TestCase):
    def test_labs_side_by_side_share_no_place(
        self,
    ) -> None:
        one, two = layout.named('one'), layout.named('two')

        def places(lab: layout.Layout) -> set[Path]:
            return {
                place
                for host in lab.hosts
                for place in (
                    host.network_namespace,
                    host.mount_namespace,
                    host.uts_namespace,
                    host.directory,
                )
            } | {lab.state, lab.lock, lab.supervisor_socket}

        self.assertEqual(set(), places(one) & places(two))

    def test_every_host_has_an_address_of_its_own(self) -> None:
        hosts = layout.named('lab').hosts
        self.assertEqual(3, len({host.address for host in hosts}))

    def test_names_that_would_not_fit_are_refused(self) -> None:
        for name in ('venvs', 'Lab', '../x', '-x', 'x' * 16, 'a b'):
            self.assertRaises(errors.BadInput, layout.named, name)

    def test_a_unix_socket_of_the_longest_name_fits(self) -> None:
        lab = layout.named('x' * 15)
        longest = lab.host('controller').run / 'mysqld' / 'mysqld.sock'
        # sun_path, unix(7): 108 bytes with the final zero.
        self.assertLess(len(str(longest)), 108)

    def test_unknown_host_names_the_hosts(self) -> None:
        error = self.assertRaises(
            errors.BadInput, layout.named('lab').host, 'server1'
        )
        self.assertIn('server-01', error.way_out)

    def test_entering_a_host_runs_the_command_itself(self) -> None:
        command = layout.named('lab').host('server2').enter('true')
        self.assertEqual('nsenter', command[0])
        self.assertEqual(['--', 'true'], command[-2:])
