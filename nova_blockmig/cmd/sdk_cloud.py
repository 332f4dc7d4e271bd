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

"""The cloud through openstacksdk, which knows clouds.yaml and OS_*.

The requests are written out: each needs its own microversion.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import re
from typing import Any

from openstack import exceptions as sdk_exceptions

from nova_blockmig.cmd import api_errors
from nova_blockmig.cmd import api_items
from nova_blockmig.core import migration_progress
from nova_blockmig.core import migration_record
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers

# Every Nova that the driver runs with has these. From 2.88 on hypervisors
# are without disk_available_least.
VERSION = '2.90'
_HYPERVISORS = '2.87'
_PLACEMENT = '1.34'
_PAGE = 500
# Nova cuts off what is longer.
_KEPT = 255
_DOWNTIME = migration_record.DOWNTIME_EVENT
# Seconds between two clocks of the control plane.
_SLACK = 2.0
_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


class SdkCloud:
    """The cloud, through an openstack.connection.Connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def find_server(self, name_or_id: str) -> servers.Server:
        if _UUID.fullmatch(name_or_id) and (found := self.server(name_or_id)):
            return found
        # Nova takes a name for a regular expression.
        named = [
            server
            for server in self._servers(name=f'^{re.escape(name_or_id)}$')
            if server.name == name_or_id
        ]
        if not named:
            raise operator_errors.CannotAsk(
                f'there is no instance {name_or_id!r} in any project'
            )
        if len(named) > 1:
            ids = ', '.join(server.id for server in named[:5])
            raise operator_errors.CannotAsk(
                f'{len(named)} instances are named {name_or_id!r}; specify '
                f'the ID of one: {ids}'
            )
        return named[0]

    def server(self, server_id: str) -> servers.Server | None:
        try:
            found = self._get(f'/servers/{server_id}')
        except operator_errors.CannotAsk as error:
            if isinstance(error.__cause__, sdk_exceptions.NotFoundException):
                return None
            raise
        return api_items.server(found['server'])

    def servers_on(self, host: str) -> list[servers.Server]:
        return list(self._servers(host=host))

    def _servers(self, **filters: str) -> Iterator[servers.Server]:
        query = {'all_tenants': '1', **filters}
        for item in self._pages('/servers/detail', 'servers', query):
            yield api_items.server(item)

    def services(self) -> list[servers.ComputeService]:
        found = self._get('/os-services', {'binary': 'nova-compute'})
        return [
            servers.ComputeService(
                id=str(item['id']),
                host=item['host'],
                up=item['state'] == 'up' and not item.get('forced_down'),
                enabled=item['status'] == 'enabled',
                reason=item.get('disabled_reason') or '',
            )
            for item in found['services']
        ]

    def rooms(self) -> dict[str, servers.Room]:
        """Placement knows ratios and claims, Nova what was measured."""
        nodes = list(
            self._pages(
                '/os-hypervisors/detail', 'hypervisors', {}, _HYPERVISORS
            )
        )
        left = self._left()
        return {
            node['service']['host']: api_items.room(
                node, left.get(str(node['id']))
            )
            for node in nodes
        }

    def _left(self) -> Mapping[str, Mapping[str, int]]:
        """Resource provider -> what can still be claimed of its resources."""
        with api_errors.sentence():
            response = self._connection.placement.get(
                '/allocation_candidates',
                params={'resources': 'MEMORY_MB:1'},
                microversion=_PLACEMENT,
            )
            sdk_exceptions.raise_from_response(response)
            summaries = response.json()['provider_summaries']
        return {
            provider: {
                kind: amount['capacity'] - amount['used']
                for kind, amount in summary['resources'].items()
            }
            for provider, summary in summaries.items()
        }

    def migrations(self, **filters: str) -> list[migration_progress.Migration]:
        names = {'server_id': 'instance_uuid', 'since': 'changes-since'}
        query = {names.get(name, name): of for name, of in filters.items()}
        found = self._pages('/os-migrations', 'migrations', query)
        return sorted(
            map(api_items.migration, found), key=lambda m: (m.created, m.id)
        )[::-1]

    def progress(self, server_id: str) -> migration_progress.Migration | None:
        try:
            found = self._get(f'/servers/{server_id}/migrations')
        except operator_errors.CannotAsk as error:
            if isinstance(error.__cause__, sdk_exceptions.NotFoundException):
                return None
            raise
        running = [api_items.migration(item) for item in found['migrations']]
        return max(running, key=lambda m: m.id, default=None)

    def reason(self, server_id: str, begun: float | None = None) -> str:
        action, events = self._events(server_id, begun)
        told = [
            event['details']
            for event in events
            if event.get('details') and event['result'] != 'Success'
        ] or [
            event['details']
            for event in events
            if event.get('details') and event['event'] != _DOWNTIME
        ]
        text = str(told[0] if told else action.get('message') or '')
        return text if len(text) < _KEPT else f'{text.rstrip()} ...'

    def downtime_ms(
        self, server_id: str, begun: float | None = None
    ) -> int | None:
        _, events = self._events(server_id, begun)
        for event in events:
            if event['event'] == _DOWNTIME:
                details = event.get('details') or ''
                return migration_record.read_stood_still(details)
        return None

    def _events(
        self, server_id: str, begun: float | None
    ) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """The request for a migration, and what Nova has noted of it."""
        base = f'/servers/{server_id}/os-instance-actions'
        actions = self._get(base)['instanceActions']
        for action in actions:
            if action['action'] not in ('live-migration', 'migrate'):
                continue
            # The action comes before the record of the migration.
            at = api_items.seconds(action['start_time']) or 0.0
            if begun is not None and at > begun + _SLACK:
                continue
            shown = self._get(f'{base}/{action["request_id"]}')
            return action, shown['instanceAction']['events']
        return {}, []

    def disable(self, service: servers.ComputeService, reason: str) -> None:
        self._put(
            f'/os-services/{service.id}',
            {'status': 'disabled', 'disabled_reason': reason},
        )

    def enable(self, service: servers.ComputeService) -> None:
        self._put(f'/os-services/{service.id}', {'status': 'enabled'})

    def migrate_live(self, server_id: str, host: str) -> None:
        self._act(
            server_id,
            {'os-migrateLive': {'host': host, 'block_migration': 'auto'}},
        )

    def migrate_cold(self, server_id: str, host: str) -> None:
        self._act(server_id, {'migrate': {'host': host}})

    def confirm(self, server_id: str) -> None:
        self._act(server_id, {'confirmResize': None})

    def _get(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        version: str = VERSION,
    ) -> Any:
        with api_errors.sentence():
            response = self._connection.compute.get(
                path, params=dict(query or {}), microversion=version
            )
            sdk_exceptions.raise_from_response(response)
            return response.json()

    def _pages(
        self,
        path: str,
        key: str,
        query: Mapping[str, str],
        version: str = VERSION,
    ) -> Iterator[Any]:
        """Every item of a list, page by page."""
        marker: dict[str, str] = {}
        while True:
            found = self._get(
                path, {'limit': _PAGE, **query, **marker}, version
            )
            yield from found[key]
            links = found.get(f'{key}_links', [])
            if not found[key] or all(link['rel'] != 'next' for link in links):
                return
            last = found[key][-1]
            marker = {'marker': last.get('uuid') or last['id']}

    def _put(self, path: str, body: Mapping[str, Any]) -> None:
        with api_errors.sentence(asked_to_act=True):
            response = self._connection.compute.put(
                path, json=body, microversion=VERSION
            )
            sdk_exceptions.raise_from_response(response)

    def _act(self, server_id: str, body: Mapping[str, Any]) -> None:
        with api_errors.sentence(asked_to_act=True):
            response = self._connection.compute.post(
                f'/servers/{server_id}/action',
                json=body,
                microversion=VERSION,
            )
            sdk_exceptions.raise_from_response(response)
