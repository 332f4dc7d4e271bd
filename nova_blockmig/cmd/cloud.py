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

"""What the commands ask of the cloud."""

from typing import Protocol

from nova_blockmig.core import migration_progress
from nova_blockmig.core import servers


class Cloud(Protocol):
    """The cloud, as an administrator sees it: all projects, all pages.

    :raises operator_errors.OperatorError: from every method, if the cloud
        cannot be asked or says no.
    """

    def find_server(self, name_or_id: str) -> servers.Server:
        """The only instance of that name or id."""

    def server(self, server_id: str) -> servers.Server | None:
        """The instance; None if it is gone."""

    def servers_on(self, host: str) -> list[servers.Server]:
        """Every instance of a compute host."""

    def services(self) -> list[servers.ComputeService]:
        """Every nova-compute."""

    def rooms(self) -> dict[str, servers.Room]:
        """Compute host -> what it has left."""

    def migrations(self, **filters: str) -> list[migration_progress.Migration]:
        """Nova's records, newest first: server_id, host, since."""

    def progress(self, server_id: str) -> migration_progress.Migration | None:
        """The running live migration of an instance with its figures."""

    def reason(self, server_id: str, begun: float | None = None) -> str:
        """What Nova tells of a migration; may be empty.

        :param begun: which one, in seconds since 1970; the latest without.
        """

    def downtime_ms(
        self, server_id: str, begun: float | None = None
    ) -> int | None:
        """How long the guest stood still; None if Nova was not told.

        :param begun: likewise.
        """

    def disable(self, service: servers.ComputeService, reason: str) -> None:
        """Let no new instance come to a host."""

    def enable(self, service: servers.ComputeService) -> None:
        """Let new instances come to a host again."""

    def migrate_live(self, server_id: str, host: str) -> None:
        """Ask for a live migration that the scheduler has to agree to."""

    def migrate_cold(self, server_id: str, host: str) -> None:
        """Ask for a cold migration; it ends in VERIFY_RESIZE."""

    def confirm(self, server_id: str) -> None:
        """Confirm a cold migration."""
