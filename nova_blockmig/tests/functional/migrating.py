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


"""Block migrations through Nova's API, and how they end."""

import os
from typing import Any

from nova.tests.functional.api import client

from nova_blockmig.tests.functional import base

SOURCE, DESTINATION, SPARE = 'server2', 'server-01', 'server-02'


class MigratingBase(base.BlockMigrationBase):
    """Asks for block migrations and says what has to come of them."""

    def request(
        self,
        server: Any,
        version: str = 'latest',
        host: str | None = None,
        **more: Any,
    ) -> None:
        body: dict[str, Any] = {'host': host, 'block_migration': True, **more}
        self.api.microversion = version
        try:
            self.api.post_server_action(server['id'], {'os-migrateLive': body})
        finally:
            self.api.microversion = 'latest'

    def refusal(self, server: Any) -> str:
        """What ``openstack server event show`` has of the last refusal.

        Where another host is tried in the same request Nova keeps one event
        for both: a success, with the refusal of the first in its details.
        """
        last = self.api.get_instance_actions(server['id'])[0]
        self.assertEqual('live-migration', last['action'])
        shown = self.api.get_instance_action_details(
            server['id'], last['request_id']
        )
        (details,) = [
            event['details']
            for event in shown['events']
            if event['event'] == 'compute_check_can_live_migrate_destination'
            and event['details']
        ]
        return str(details)

    def assert_moves(self, server: Any, to: str, **request: Any) -> None:
        self.request(server, **request)
        self._wait_for_server_parameter(
            server,
            {'OS-EXT-SRV-ATTR:host': to, 'status': 'ACTIVE'},
            max_retries=40,
        )

    def assert_refused(self, server: Any, why: str, **request: Any) -> None:
        """Nothing has moved, nothing is left behind, and one can read why."""
        before = self.host_of(server)
        here = sorted(os.listdir(self.root.join(DESTINATION)))
        # Up to 2.33 the API waits for the check and answers with it.
        try:
            self.request(server, **request)
        except client.OpenStackApiException as exc:
            self.assertEqual(400, exc.response.status_code)
        self._wait_for_migration_status(server, ['error'])
        server = self._wait_for_state_change(server, 'ACTIVE')
        self.assertEqual(before, self.host_of(server))
        self.assertEqual(here, sorted(os.listdir(self.root.join(DESTINATION))))
        self.assertRegex(self.refusal(server), why)
