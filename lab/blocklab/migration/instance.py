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

"""An instance of the lab, seen from Nova, from its host and from inside.

This is what the demo and the lab's tests are written with:

    med = scenario.boot(lab, 'med', scenario.Flavor(), host='server2')
    med.wait_for_guest(lambda guest: guest.tick >= 5, 'the writer')
    before = med.pause_and_hash()
    move = med.migrate('server-01')       # through the nova client
    assert move.status == 'completed'
    assert med.hash() == before
    med.unpause()
    med.run('cat /proc/swaps').output
    med.delete()
"""

from collections.abc import Callable
from pathlib import Path
import time
from typing import Any

import openstack

from blocklab.guest import console
from blocklab.guest import disks
from blocklab.guest import shell
from blocklab.guest.console import Summary
from blocklab.guest.disks import DiskState
from blocklab.guest.shell import Reply
from blocklab.lab import Lab
from blocklab.machine.errors import LabError
from blocklab.machine.host import Host
from blocklab.migration import migration
from blocklab.migration.migration import Migration


class Unexpected(LabError):
    """An instance did not get where it should in time."""

    def __init__(self, sentence: str) -> None:
        super().__init__(
            sentence,
            'See its faults with "labctl openstack server show", and the '
            'logs of nova-compute with "labctl logs nova-compute@HOST".',
        )


class Instance:
    """A server, by its id."""

    def __init__(self, lab: Lab, server_id: str) -> None:
        self._lab = lab
        self.id = server_id

    @property
    def server(self) -> Any:
        """The server as Nova's API has it now."""
        return self._lab.cloud.compute.get_server(self.id)

    @property
    def host_name(self) -> str:
        """The compute host that Nova has it on now."""
        return str(self.server.compute_host)

    @property
    def host(self) -> Host:
        """The compute host that Nova has it on now."""
        return self._lab.host(self.host_name)

    def wait_for_status(self, status: str, timeout: float = 180) -> Any:
        """Wait until the server has that status and no task; the server.

        :raises Unexpected: it went to ERROR, or did not get there in time.
        """
        return self._wait(
            lambda server: bool(server.status == status), status, timeout
        )

    def wait_for_host(self, host: str, timeout: float = 180) -> Any:
        """Wait until Nova has it on that host, with no task; the server.

        :raises Unexpected: it went to ERROR, or did not get there in time.
        """
        return self._wait(
            lambda server: bool(server.compute_host == host),
            f'on {host}',
            timeout,
        )

    def _wait(
        self, there: Callable[[Any], bool], what: str, timeout: float
    ) -> Any:
        deadline = time.monotonic() + timeout
        while True:
            server = self.server
            if there(server) and server.task_state is None:
                return server
            if server.status == 'ERROR' or time.monotonic() > deadline:
                fault = (server.fault or {}).get('message', 'no fault')
                raise Unexpected(
                    f'{server.name} is {server.status} on '
                    f'{server.compute_host}, not {what}, after '
                    f'{timeout:.0f} s at most ({fault}).'
                )
            time.sleep(0.5)

    # What the guest says

    def console_text(self, host_name: str | None = None) -> str:
        """The console log on a host, the present one by default.

        It does not travel: on the destination of a live migration it
        begins with the arrival.
        """
        name = host_name or self.host_name
        log = self._lab.instances_path(name) / self.id / 'console.log'
        try:
            return log.read_bytes().decode(errors='replace')
        except FileNotFoundError:
            return ''

    def guest(self) -> Summary:
        """What the guest has said on its present host."""
        return console.summarize(console.parse(self.console_text()))

    def wait_for_guest(
        self,
        ready: Callable[[Summary], bool],
        what: str,
        timeout: float = 180,
    ) -> Summary:
        """Wait until what the guest has said satisfies `ready`.

        :param what: what is waited for, for the message.
        :raises Unexpected: it does not in time.
        """
        deadline = time.monotonic() + timeout
        while not ready(summary := self.guest()):
            if time.monotonic() > deadline:
                last = self.console_text().strip().splitlines()[-5:]
                raise Unexpected(
                    f'The guest was waited for {timeout:.0f} s: {what}. '
                    'Its last lines:\n' + '\n'.join(last)
                )
            time.sleep(1)
        return summary

    def wait_for_checks(
        self, expected: Summary, timeout: float = 180
    ) -> Summary:
        """Wait until the guest has looked at everything on this host.

        :param expected: what it said before a migration.
        :raises Unexpected: it does not say anything about a disk.
        """
        return self.wait_for_guest(
            lambda seen: seen.last.keys() >= expected.last.keys(),
            'a look at every disk',
            timeout,
        )

    def run(self, command: str, timeout: float = 60) -> Reply:
        """Run a command in the guest, as root.

        :raises GuestSilent: no answer came.
        """
        terminal = self.host.run(['virsh', 'ttyconsole', self.id]).strip()
        return shell.run_in_guest(Path(terminal), command, timeout)

    # What the hosts have

    def hash(
        self, *, read_only: bool = False, content_only: bool = False
    ) -> dict[str, DiskState]:
        """Name -> state of the disks; see `blocklab.guest.disks.states`."""
        return disks.states(
            self.host,
            self.id,
            read_only=read_only,
            content_only=content_only,
        )

    def pause_and_hash(self) -> dict[str, DiskState]:
        """The same of a guest that may be running; it stays paused."""
        self.pause()
        return self.hash()

    def pause(self) -> None:
        if self.server.status != 'PAUSED':
            self._lab.cloud.compute.pause_server(self.id)
            self.wait_for_status('PAUSED')

    def unpause(self) -> None:
        if self.server.status == 'PAUSED':
            self._lab.cloud.compute.unpause_server(self.id)
            self.wait_for_status('ACTIVE')

    def migrate(
        self,
        destination: str,
        *,
        timeout: float = 600,
        watch: Callable[[], None] = lambda: None,
        options: tuple[str, ...] = (),
        microversion: str | None = None,
        name: str | None = None,
        block: bool = True,
        client: bool = True,
        every: float = 0.5,
    ) -> Migration:
        """Block-migrate with "nova live-migration"; the end of it.

        :param watch: called again and again meanwhile.
        :param options: more options of the client's sub-command.
        :param microversion: of the API; by default the client's latest.
        :param name: what the client is to call it; by default its id.
        :param block: whether to insist on a block migration.
        :param client: whether the client asks, not this process.
        :param every: seconds between two looks at it.
        :raises Unexpected: the migration did not end in time.
        :raises CommandFailed: the API refused.
        """
        begun = migration.begin(
            self._lab,
            self.id,
            destination,
            options,
            microversion,
            name,
            block=block,
            client=client,
        )
        return migration.wait(self._lab, begun, timeout, watch, every)

    def delete(self, timeout: float = 120) -> None:
        """Delete it and wait until it is gone."""
        compute = self._lab.cloud.compute
        compute.delete_server(self.id, force=True, ignore_missing=True)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                compute.get_server(self.id)
            except openstack.exceptions.NotFoundException:
                return
            time.sleep(0.5)
        raise Unexpected(f'Nova does not delete the instance {self.id}.')
