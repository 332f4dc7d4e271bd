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

"""A lab that is up, for those who use it: the demo and the tests.

    lab = blocklab.lab.Lab()                # or Lab('name')
    lab.host('server2').run(['virsh', 'list'])
    lab.cloud.compute.servers()         # openstacksdk, as administrator
    lab.instances_path('server2')       # seen from the machine itself
    lab.log_path('nova-compute@server2')
    lab.restart(['nova-compute@server2'])
    lab.client('nova', 'live-migration', '--block-migrate', 'med', 'server-01')

Nothing here starts a lab: see `blocklab.commands.up`.
"""

from collections.abc import Iterable
import functools
from pathlib import Path
from typing import Any

import psutil

from blocklab.guest import glance
from blocklab.guest.disk_image import GuestImage
from blocklab.machine import layout as layouts
from blocklab.machine import releases
from blocklab.machine import subprocesses
from blocklab.machine.errors import BadInput
from blocklab.machine.errors import CommandFailed
from blocklab.machine.host import Host
from blocklab.machine.layout import Layout
from blocklab.machine.progress import Progress
from blocklab.machine.releases import Release
from blocklab.services import database
from blocklab.services import keeper
from blocklab.services import services
from blocklab.services import settings as lab_settings
from blocklab.services.service import Service
from blocklab.services.settings import Settings
from blocklab.services.supervisor import Supervisor


class Lab:
    """A lab that was brought up before.

    :param name: the lab's name; by default LABCTL_NAME or 'blockmig'.
    :raises BadInput: there is no such lab.
    """

    def __init__(
        self, name: str | None = None, progress: Progress | None = None
    ) -> None:
        self.layout: Layout = layouts.named(name)
        self.progress = progress or Progress()
        settings = lab_settings.load(self.layout.settings)
        if settings is None:
            raise BadInput(
                f'There is no lab {self.layout.name!r} on this machine.',
                'Bring it up with "labctl up".',
            )
        self.settings: Settings = settings
        self.supervisor = Supervisor(self.layout)

    @property
    def release(self) -> Release:
        return releases.named(self.settings.choices.release)

    @property
    def services(self) -> tuple[Service, ...]:
        return services.all_services(
            self.layout, self.release, self.settings.choices
        )

    @property
    def is_up(self) -> bool:
        """Whether its supervisor runs; its services may not."""
        return self.supervisor.pid() is not None

    @functools.cached_property
    def cloud(self) -> Any:
        """An administrator's openstack.connection.Connection."""
        # openstacksdk takes a second to import, which most calls of labctl
        # can do without.
        from blocklab.services import cloud

        self.require_up()
        return cloud.connect(
            self.host(layouts.CONTROLLER), self.settings.passwords['admin']
        )

    def require_up(self) -> None:
        """:raises BadInput: the lab is down."""
        if not self.is_up:
            raise BadInput(
                f'The lab {self.layout.name!r} is down.',
                'Bring it up with "labctl up".',
            )

    def host(self, name: str) -> Host:
        """The host 'controller', 'server2' or 'server-01'.

        :raises BadInput: no such host.
        """
        return Host(self.layout.host(name))

    def service(self, name: str) -> Service:
        """The service of that name.

        :raises BadInput: no such service.
        """
        for service in self.services:
            if service.name == name:
                return service
        raise BadInput(
            f'There is no service {name!r} in the lab.',
            'Its services are ' + ', '.join(s.name for s in self.services)
            + '.',
        )  # fmt: skip

    def instances_path(self, host: str) -> Path:
        """Where a host's instances are, as the machine itself sees it.

        What is mounted on /var/lib/nova/instances inside the host's mount
        namespace is seen only there: use `host(name).run` then.
        """
        return self.layout.host(host).instances

    @property
    def volumes_path(self) -> Path:
        """Where the files of the volumes are, shared by all hosts."""
        return self.layout.state / 'cinder' / 'volumes'

    def log_path(self, service: str) -> Path:
        """The log of a service."""
        return self.service(service).log

    @property
    def guest_image(self) -> GuestImage:
        """The files of the guest image: disk, kernel and ramdisk.

        Its disk is in Glance under the name `blocklab.guest.glance.NAME`.
        """
        return glance.build(self.progress)

    def credentials(self) -> dict[str, str]:
        """The environment of an administrator's command line."""
        return {
            'OS_AUTH_URL': f'http://{self.layout.controller.address}:5000/v3',
            'OS_USERNAME': 'admin',
            'OS_PASSWORD': self.settings.passwords['admin'],
            'OS_PROJECT_NAME': 'admin',
            'OS_USER_DOMAIN_ID': 'default',
            'OS_PROJECT_DOMAIN_ID': 'default',
            'OS_IDENTITY_API_VERSION': '3',
            'OS_REGION_NAME': 'RegionOne',
        }

    def client_command(self, *words: str) -> list[str]:
        """The command line of a client ('openstack', 'nova', ...).

        It is to be run with `credentials()` in its environment.
        """
        client, *rest = words
        # A lab with the in-tree driver alone has no environment of ours.
        venvs = (self.release.ours, self.release.venv)
        places = [venv / 'bin' / client for venv in venvs]
        return [
            'nsenter',
            f'--net={self.layout.controller.network_namespace}',
            '--',
            str(next(filter(Path.exists, places), places[-1])),
            *rest,
        ]

    def client(self, *words: str) -> str:
        """Run a client to its end; what it wrote to standard output.

        :raises CommandFailed: the status is not 0.
        """
        self.require_up()
        return subprocesses.run(
            f'"{" ".join(words)}"',
            self.client_command(*words),
            extra_environment=self.credentials(),
        )

    def restart(self, names: Iterable[str]) -> None:
        """Restart services, one after the other, and wait for all.

        :raises BadInput: no such service, or the lab is down.
        :raises ServiceFailed: one does not come up.
        """
        self.require_up()
        chosen = [self.service(name) for name in names]
        keep = keeper.Keeper(self.layout, self.supervisor, self.progress)
        for service in chosen:
            keep.restart(service)
        self.wait_until_reporting()

    def problems(self) -> dict[str, str]:
        """Service -> what is wrong with it; empty when all is well."""
        from blocklab.services import cloud

        if found := keeper.local_problems(self.services, self.supervisor):
            return found
        controller = Host(self.layout.controller)
        try:
            reported = database.last_reports(controller)
        except CommandFailed as error:
            return {'mariadb': f'does not answer: {error}'}
        return cloud.problems(
            self.cloud,
            [host.name for host in self.layout.computes],
            self._began(),
            reported,
            cinder=self.settings.choices.cinder,
        )

    def wait_until_reporting(self, patience: float = 300) -> None:
        """Wait until every service is well.

        :raises ServiceFailed: one is not, in the end.
        """
        keeper.wait(self.problems, self.log_path, patience)

    def _began(self) -> dict[str, float]:
        began = {}
        for name, pid in self.supervisor.processes().items():
            if pid is not None and psutil.pid_exists(pid):
                began[name] = psutil.Process(pid).create_time()
        return began
