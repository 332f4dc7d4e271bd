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

"""Whether a service answers."""

from collections.abc import Callable
import http.client
from pathlib import Path
import socket

from blocklab.machine.host import Host
from blocklab.services.service import Alive
from blocklab.services.service import Http
from blocklab.services.service import Service
from blocklab.services.service import Tcp
from blocklab.services.service import UnixSocket


def answers(service: Service) -> str | None:
    """None when the service answers, else what is wrong with it."""
    host = Host(service.host)
    probe = service.probe
    match probe:
        case Tcp(port):
            return _attempt(f'port {port}', lambda: _tcp(host, port))
        case Http(port):
            return _attempt(f'port {port}', lambda: _http(host, port))
        case UnixSocket(path):
            place = host.layout.run / path
            return _attempt(f'/run/{path}', lambda: _unix(place))
        case Alive():
            return None


def _attempt(what: str, call: Callable[[], None]) -> str | None:
    try:
        call()
    except (OSError, http.client.HTTPException) as error:
        return f'{what}: {error}'
    return None


def _tcp(host: Host, port: int) -> None:
    host.connect(port).close()


def _http(host: Host, port: int) -> None:
    connection = http.client.HTTPConnection(host.layout.address, port)
    connection.sock = host.connect(port, timeout=30)
    try:
        connection.request('GET', '/')
        status = connection.getresponse().status
    finally:
        connection.close()
    if status >= 500:
        raise http.client.HTTPException(f'status {status}')


def _unix(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(place))
