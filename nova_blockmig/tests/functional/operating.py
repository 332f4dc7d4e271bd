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


"""The operator's commands on real APIs of Nova and Placement.

The program is whole, openstacksdk included; only the credentials are not
asked of Keystone.
"""

from collections.abc import Callable
import contextlib
import io
import json
import logging
import threading
from typing import Any
import urllib.parse

import fixtures
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from nova.tests.fixtures import libvirt as fakelibvirt
import openstack
from testtools import content

from nova_blockmig.cmd import app
from nova_blockmig.cmd import screen
from nova_blockmig.tests.functional import migrating

GIB = 2**30
SOURCE = migrating.SOURCE
DESTINATION = migrating.DESTINATION
SPARE = migrating.SPARE
_ACTIVE = (fakelibvirt.VIR_DOMAIN_RUNNING, fakelibvirt.VIR_DOMAIN_PAUSED)
_PATIENCE = 120
_SOONER = 0.2
"""Seconds; nothing here takes as long as on a real host."""


class LoggingAsItWas(fixtures.Fixture):
    """The program makes the root logger quiet and gives it a handler."""

    def _setUp(self) -> None:  # noqa: N802
        root = logging.getLogger()
        self.addCleanup(root.setLevel, root.level)
        self.addCleanup(setattr, root, 'handlers', list(root.handlers))


class OperatingBase(migrating.MigratingBase):
    """A host with instances, and two that may take them.

    :ivar meanwhile: what happens beside the command, by the number of times
        that it has waited.
    :ivar held: instances whose copy waits until :meth:`let_go`.
    :ivar broken: names of instances whose copy fails.
    """

    def setUp(self) -> None:
        super().setUp()
        self.meanwhile: dict[int, Callable[[], None]] = {}
        self.held: set[str] = set()
        self.broken: dict[str, str] = {}
        self._may_go = threading.Event()
        self.addCleanup(self._may_go.set)
        self.servers: dict[str, Any] = {}
        self.useFixture(
            fixtures.MonkeyPatch(
                'openstack.connect', lambda **options: self.connection()
            )
        )
        for name in ('mover.INTERVAL', 'mover._LOOK_FOR_NEW',
                     'watching.INTERVAL'):  # fmt: skip
            self.useFixture(
                fixtures.MonkeyPatch(f'nova_blockmig.cmd.{name}', _SOONER)
            )
        self._patch_the_clock()
        # To libvirt a domain that is paused is active.
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.tests.fixtures.libvirt.Domain.isActive',
                lambda domain: domain._state in _ACTIVE,
            )
        )
        directory = self.useFixture(fixtures.TempDir())
        self.record = directory.join('record.json')
        self.start_host(SOURCE)

    def _patch_the_clock(self) -> None:
        sleep = screen.Clock.sleep
        waited = 0

        def wait(clock: screen.Clock, seconds: float) -> None:
            nonlocal waited
            waited += 1
            if happens := self.meanwhile.pop(waited, None):
                happens()
            sleep(clock, seconds)

        self.useFixture(
            fixtures.MonkeyPatch('nova_blockmig.cmd.screen.Clock.sleep', wait)
        )

    def connection(self) -> Any:
        """openstacksdk's, as an administrator."""
        headers = {
            'X-Auth-User': 'admin',
            'X-User-Id': 'admin',
            'X-Auth-Project-Id': self.api.project_id,
            'X-Roles': 'admin,member,reader',
        }
        auth = token_endpoint.Token(self.admin_api.base_url, 'admin')
        return openstack.connection.Connection(
            session=session.Session(auth, additional_headers=headers),
            compute_endpoint_override=self.admin_api.base_url,
            placement_endpoint_override=self.placement.fixture.endpoint,
        )

    def command(self, *words: str) -> int:
        """Run nova-blockmig; its result is in out, what it said in err."""
        out, err = io.StringIO(), io.StringIO()
        with (
            LoggingAsItWas(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = app.main([*words, '-f', 'json'])
        self.err = err.getvalue()
        self.addDetail(
            f'{words} said', content.text_content(self.err + out.getvalue())
        )
        self.out: Any = json.loads(out.getvalue() or '[]')
        return code

    def on_source(self, command: str, *words: str) -> int:
        """Run drain or restore with the record of this test."""
        return self.command(command, SOURCE, '--record', self.record, *words)

    def results(self, column: str = 'result') -> dict[str, str]:
        """Name -> a column of the result."""
        return {row['name']: row[column] for row in self.out}

    def boot_named(self, name: str, memory_mb: int = 512) -> Any:
        """An instance on the source with one disk."""
        server = self.servers[name] = self._create_server(
            name=name,
            host=SOURCE,
            networks='none',
            flavor_id=self._create_flavor(
                vcpu=1, memory_mb=memory_mb, disk=1, ephemeral=0
            ),
        )
        self.make_disks(SOURCE, server, disk=GIB)
        return server

    def start_destinations(self, *hosts: str, **options: Any) -> None:
        """Hosts that have the image that all instances here are of."""
        (server, *_) = self.servers.values()
        for host in hosts:
            self.start_host(host, **options)
        for host in (SOURCE, *hosts):
            self.cache_image(host, server)

    def hosts(self) -> dict[str, str]:
        """Name -> host, of all that there are."""
        found = self.admin_api.get_servers(search_opts={'all_tenants': 1})
        return {
            server['name']: server['OS-EXT-SRV-ATTR:host'] for server in found
        }

    def migrations_of(self, name: str) -> list[str]:
        """Results of the migrations of an instance, the first one first."""
        found = self.admin_api.api_get(
            f'/os-migrations?instance_uuid={self.servers[name]["id"]}'
        ).body['migrations']
        return [
            each['status'] for each in sorted(found, key=lambda m: m['id'])
        ]

    def service(self, host: str = SOURCE) -> dict[str, Any]:
        """Nova's record of a nova-compute."""
        (found,) = self.admin_api.api_get(
            f'/os-services?binary=nova-compute&host={host}'
        ).body['services']
        return dict(found)

    def let_go(self) -> None:
        """What is held goes on."""
        self._may_go.set()

    def _copy(
        self, domain: Any, destination: str, params: Any = None, flags: int = 0
    ) -> None:
        names = {of['id']: name for name, of in self.servers.items()}
        name = names[domain.UUIDString()]
        if name in self.held:
            self._may_go.wait(_PATIENCE)
        if why := self.broken.get(name):
            domain._job_type = fakelibvirt.VIR_DOMAIN_JOB_NONE
            raise fakelibvirt.make_libvirtError(
                fakelibvirt.libvirtError, why, error_code=38
            )
        # For the way back: the hosts here have directories of their own.
        host = str(urllib.parse.urlparse(destination).hostname)
        self.make_disks(host, self.servers[name], disk=GIB)
        here = self.root.join(self.per_host.host)
        xml = params['destination_xml'].replace(here, self.root.join(host))
        params = {**params, 'destination_xml': xml}
        super()._copy(domain, destination, params, flags)
