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

"""The cloud as its administrator sees it, through openstacksdk."""

from collections.abc import Iterable
from collections.abc import Mapping
import functools
import socket
from typing import Any

from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import v3
import openstack
import requests
from requests import adapters
from urllib3 import connection as urllib3_connection
from urllib3 import connectionpool

from blocklab.machine.host import Host
from blocklab.machine.layout import CONTROLLER

# Account of a service -> type and address, with {} for the host's.
Services = Mapping[str, tuple[str, str]]
SERVICES: Services = {
    'glance': ('image', 'http://{}:9292'),
    'placement': ('placement', 'http://{}:8778'),
    'nova': ('compute', 'http://{}:8774/v2.1'),
    'neutron': ('network', 'http://{}:9696'),
}
CINDER: Services = {'cinder': ('block-storage', 'http://{}:8776/v3')}
NETWORK = 'net1'
FLAVOR = 'm1.tiny'


def connect(controller: Host, password: str) -> Any:
    """An administrator's openstack.connection.Connection.

    It works from outside the lab's namespaces: only its sockets are opened
    inside.
    """
    address = controller.layout.address
    http_session = requests.Session()
    http_session.mount('http://', _InsideAdapter(controller))
    auth = v3.Password(
        auth_url=f'http://{address}:5000/v3',
        username='admin',
        password=password,
        project_name='admin',
        user_domain_id='default',
        project_domain_id='default',
    )
    session = keystone_session.Session(auth=auth, session=http_session)
    return openstack.connection.Connection(
        session=session, region_name='RegionOne'
    )


class _InsideConnection(urllib3_connection.HTTPConnection):
    """An HTTP connection whose socket is opened on a host of the lab."""

    def __init__(self, *args: Any, inside: Host, **options: Any) -> None:
        super().__init__(*args, **options)
        self._inside = inside

    def _new_conn(self) -> socket.socket:
        with self._inside.network():
            return super()._new_conn()


class _InsideAdapter(adapters.HTTPAdapter):
    """Makes every connection an _InsideConnection."""

    def __init__(self, inside: Host) -> None:
        self._inside = inside
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)

        class Pool(connectionpool.HTTPConnectionPool):
            ConnectionCls = functools.partial(  # type: ignore[assignment]
                _InsideConnection, inside=self._inside
            )

        self.poolmanager.pool_classes_by_scheme = {'http': Pool}


def create_catalog(
    cloud: Any, address: str, password: str, services: Services
) -> None:
    """The services' accounts, names and addresses in Keystone."""
    identity = cloud.identity
    roles = {role.name: role for role in identity.roles()}
    project = identity.find_project('service') or identity.create_project(
        name='service', domain_id='default'
    )
    known = {endpoint.service_id for endpoint in identity.endpoints()}
    for name, (kind, url) in services.items():
        user = identity.find_user(name) or identity.create_user(
            name=name, password=password, domain_id='default'
        )
        for role in ('admin', 'service'):
            identity.assign_project_role_to_user(project, user, roles[role])
        service = identity.find_service(name) or identity.create_service(
            name=name, type=kind
        )
        if service.id in known:
            continue
        for interface in ('public', 'internal'):
            identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                url=url.format(address),
                region_id='RegionOne',
            )


def create_network(cloud: Any) -> None:
    """The network that guests are plugged into, with DHCP."""
    network = cloud.network.find_network(
        NETWORK
    ) or cloud.network.create_network(name=NETWORK)
    if not list(cloud.network.subnets(network_id=network.id)):
        cloud.network.create_subnet(
            name='subnet1',
            network_id=network.id,
            ip_version=4,
            cidr='10.11.0.0/24',
            # OVN answers DHCP only where there is a gateway.
            gateway_ip='10.11.0.1',
        )


def create_flavor(cloud: Any) -> None:
    """The flavor for a guest that only has to run: 128 MiB, 1 GiB disk."""
    if not cloud.compute.find_flavor(FLAVOR):
        cloud.compute.create_flavor(name=FLAVOR, ram=128, vcpus=1, disk=1)


def problems(
    cloud: Any,
    hosts: Iterable[str],
    began: Mapping[str, float],
    reported: Mapping[tuple[str, str], float],
    *,
    cinder: bool = False,
) -> dict[str, str]:
    """Service -> what the APIs miss of it; empty when all is well.

    :param hosts: the names of the compute hosts.
    :param began: service -> when its process began, in seconds since 1970:
        a report from before that is not its own.
    :param reported: binary and host -> when it reported to Nova last.
    :param cinder: whether the lab has volumes.
    """
    try:
        return (
            _nova_problems(cloud, hosts, began, reported)
            | _neutron_problems(cloud, hosts)
            | (_cinder_problems(cloud) if cinder else {})
        )
    except (
        openstack.exceptions.SDKException,
        keystone_exceptions.ClientException,
        requests.RequestException,
        OSError,
    ) as error:
        return {'nova-api': f'an API does not answer: {error}'}


def _nova_problems(
    cloud: Any,
    hosts: Iterable[str],
    began: Mapping[str, float],
    reported: Mapping[tuple[str, str], float],
) -> dict[str, str]:
    found = {}
    expected = {
        'nova-conductor': ('nova-conductor', CONTROLLER),
        'nova-scheduler': ('nova-scheduler', CONTROLLER),
        **{f'nova-compute@{host}': ('nova-compute', host) for host in hosts},
    }
    records = {
        (each.binary, each.host): each for each in cloud.compute.services()
    }
    mapped = {each.name for each in cloud.compute.hypervisors()}
    for service, key in expected.items():
        record = records.get(key)
        if record is None or record.state != 'up':
            found[service] = 'does not report to Nova'
        # Whole seconds: the last report of the process before may bear the
        # second in which this one began.
        elif reported.get(key, 0) < began.get(service, 0) + 1:
            found[service] = 'has not reported to Nova since it was started'
        elif key[0] == 'nova-compute' and key[1] not in mapped:
            found[service] = 'is not in a cell yet'
    return found


def _neutron_problems(cloud: Any, hosts: Iterable[str]) -> dict[str, str]:
    alive = {each.host for each in cloud.network.agents() if each.is_alive}
    return {
        f'ovn-controller@{host}': 'does not report to Neutron'
        for host in hosts
        if host not in alive
    }


def _cinder_problems(cloud: Any) -> dict[str, str]:
    alive = {
        each.binary
        for each in cloud.block_storage.services()
        if each.state == 'up'
    }
    return {
        name: 'does not report to Cinder'
        for name in ('cinder-scheduler', 'cinder-volume')
        if name not in alive
    }
