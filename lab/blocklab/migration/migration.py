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

"""A live migration, from the client's command to its end.

Whether it worked is asked of Nova's record of the migration: the client
returns 0 when the API has accepted the request, whatever comes of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any

from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions
import requests

from blocklab.lab import Lab
from blocklab.machine.errors import LabError

# Nova's final states of a live migration: nova/compute/manager.py sets
# them; "done" and "finished" are those of other kinds of migration.
FINAL = frozenset({'completed', 'error', 'failed', 'cancelled'})
# What a lab may answer in which something is broken, or has too much to do.
ANSWERS = (
    exceptions.SDKException,
    keystone_exceptions.ClientException,
    requests.RequestException,
    LabError,
    OSError,
)


@dataclass(frozen=True)
class Begun:
    """A migration that was asked for.

    :ivar known: UUIDs of the instance's migrations before it.
    :ivar began: time.monotonic() of the request.
    """

    server_id: str
    destination: str
    command: tuple[str, ...]
    known: frozenset[str]
    began: float


@dataclass(frozen=True)
class Migration:
    """A migration that has ended.

    :ivar uuid: None when Nova refused before it made a record.
    :ivar status: one of FINAL, or 'refused' without a record.
    :ivar seconds: from the request until Nova had recorded the end and
        the server had no task any more.
    :ivar command: what was typed.
    """

    uuid: str | None
    status: str
    source: str
    destination: str
    seconds: float
    command: tuple[str, ...]

    @property
    def completed(self) -> bool:
        return self.status == 'completed'


def begin(
    lab: Lab,
    server_id: str,
    destination: str,
    options: tuple[str, ...] = (),
    microversion: str | None = None,
    name: str | None = None,
    *,
    block: bool = True,
    client: bool = True,
) -> Begun:
    """Ask Nova for a live migration, with its own client.

    :param options: more options of the client's sub-command.
    :param microversion: of the API; by default the client's latest.
    :param name: what the client is to call the server; by default its id.
    :param block: whether it has to be a block migration; else Nova decides.
    :param client: False asks the API itself, without starting a client; the
        options and the microversion are left out then.
    :raises CommandFailed: the API refused.
    """
    known = frozenset(record.uuid for record in records(lab, server_id))
    version = (
        () if microversion is None
        else ('--os-compute-api-version', microversion)
    )  # fmt: skip
    command = (
        'nova', *version, 'live-migration',
        *(('--block-migrate',) if block else ()), *options,
        name or server_id, destination,
    )  # fmt: skip
    began = time.monotonic()
    if client:
        lab.client(*command)
    else:
        lab.cloud.compute.live_migrate_server(
            server_id, host=destination, block_migration=block
        )
    return Begun(server_id, destination, command, known, began)


def records(lab: Lab, server_id: str) -> list[Any]:
    """Nova's records of the instance's migrations."""
    return list(lab.cloud.compute.migrations(server_id=server_id))


def wait(
    lab: Lab,
    begun: Begun,
    timeout: float = 600,
    watch: Callable[[], None] = lambda: None,
    every: float = 0.5,
) -> Migration:
    """Wait for the end of a migration, whatever end it is.

    :param watch: called again and again meanwhile.
    :param every: seconds between two looks; each costs the API a little.
    :raises LabError: it has not ended in time.
    """
    while (seconds := time.monotonic() - begun.began) < timeout:
        watch()
        server = lab.cloud.compute.get_server(begun.server_id)
        record = _record(lab, begun)
        if record is not None and record.status in FINAL:
            if server.task_state is None:
                return Migration(
                    record.uuid,
                    record.status,
                    record.source_compute,
                    record.dest_compute or begun.destination,
                    round(seconds, 1),
                    begun.command,
                )
        elif record is None and server.task_state is None and seconds > 30:
            return Migration(
                None, 'refused', server.compute_host, begun.destination,
                round(seconds, 1), begun.command,
            )  # fmt: skip
        time.sleep(every)
    raise LabError(
        f'The migration to {begun.destination} has not ended after '
        f'{timeout:.0f} s.',
        'See "labctl nova server-migration-list"; "labctl nova '
        'live-migration-abort" ends it.',
    )


def reason(lab: Lab, server_id: str) -> str:
    """What Nova tells of the instance's latest live migration, if it failed.

    An administrator reads it in ``openstack server event show``.
    """
    compute = lab.cloud.compute
    for action in compute.server_actions(server_id):
        if action.action != 'live-migration':
            continue
        found = compute.get_server_action(action.request_id, server_id)
        return ' '.join(
            str(event.get('details') or event.get('traceback') or '')
            for event in found.events
            if event.get('result') != 'Success'
        ).strip()
    return ''


def _record(lab: Lab, begun: Begun) -> Any | None:
    for record in records(lab, begun.server_id):
        if record.uuid not in begun.known:
            return record
    return None
