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

"""Whether the message bus of a cell answers, and with which rights."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import socket
from typing import Any

from nova import context as nova_context
import nova.conf
import oslo_messaging as messaging

from nova_blockmig.cmd import api_errors
from nova_blockmig.core import operator_errors

CONF = nova.conf.CONF
_SECONDS = 5
_PORT = 5672
_KINDS = {
    'public': 'publicURL',
    'internal': 'internalURL',
    'admin': 'adminURL',
}


def knock() -> None:
    """Find out whether RabbitMQ listens; its clients try for ever.

    :raises operator_errors.CannotAsk: nova.conf names none, or none listens.
    """
    url = messaging.TransportURL.parse(CONF)
    if url.transport not in ('rabbit', 'kombu'):
        return
    hosts = [
        (host.hostname, host.port or _PORT)
        for host in url.hosts
        if host.hostname
    ]
    if not hosts:
        raise operator_errors.CannotAsk(
            'nova.conf does not configure a message bus (transport_url): run '
            'this command on a compute host, or specify a nova.conf of the '
            'cell with --config-file'
        )
    reasons = []
    for host, port in hosts:
        try:
            socket.create_connection((host, port), _SECONDS).close()
        except OSError as exc:
            reasons.append(f'{host}:{port}: {exc.strerror or exc}')
        else:
            return
    raise operator_errors.CannotAsk(
        'the message bus in nova.conf (transport_url) does not respond: '
        + ', '.join(reasons)
    )


def with_token(connection: Any) -> Callable[[], Any]:
    """Contexts that have a token, with which a host may ask Glance.

    :param connection: an openstack.connection.Connection.
    :raises operator_errors.CannotAsk: there is no token.
    """
    with api_errors.sentence():
        session = connection.session
        access = session.auth.get_access(session)

    def new() -> Any:
        return nova_context.RequestContext(
            user_id=access.user_id,
            project_id=access.project_id,
            is_admin=True,
            auth_token=access.auth_token,
            service_catalog=_as_nova_has_it(access.service_catalog.catalog),
        )

    return new


def _as_nova_has_it(
    catalog: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """A catalog of Keystone's third API as its second one had it."""
    services = []
    for service in catalog:
        regions: dict[str, dict[str, Any]] = {}
        for endpoint in service['endpoints']:
            region = endpoint.get('region') or endpoint.get('region_id') or ''
            found = regions.setdefault(region, {'region': region})
            if kind := _KINDS.get(endpoint['interface']):
                found[kind] = endpoint['url']
        services.append(
            {
                'type': service['type'],
                'name': service.get('name', ''),
                'endpoints': list(regions.values()),
            }
        )
    return services
