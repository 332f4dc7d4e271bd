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

"""Starting services in their order, and watching over them."""

from collections.abc import Callable
from collections.abc import Iterable
import hashlib
from pathlib import Path
import time

from blocklab.machine.errors import ServiceFailed
from blocklab.machine.layout import Layout
from blocklab.machine.progress import Progress
from blocklab.services import health
from blocklab.services import openvswitch
from blocklab.services.service import Alive
from blocklab.services.service import Service
from blocklab.services.supervisor import Supervisor


class Keeper:
    """Starts services, and remembers what each was started with."""

    def __init__(
        self, layout: Layout, supervisor: Supervisor, progress: Progress
    ) -> None:
        self._layout = layout
        self._supervisor = supervisor
        self._progress = progress

    def ensure(self, service: Service) -> None:
        """See to it that a service runs, with its present files.

        :raises ServiceFailed: it does not come up.
        """
        running = self._supervisor.process(service.name) is not None
        if not running or self._is_outdated(service):
            self.restart(service)
        elif health.answers(service) is not None:
            self._wait(service)

    def restart(self, service: Service) -> None:
        """Stop a service if it runs, and start it.

        :raises ServiceFailed: it does not come up.
        """
        with self._progress.step(service.name):
            self._supervisor.stop(service.name)
            self._supervisor.start_service(service.name)
            self._wait(service)
            if service.name.startswith('ovs-vswitchd@'):
                openvswitch.make_bridges(service.host)
        self._applied(service).parent.mkdir(exist_ok=True)
        self._applied(service).write_text(_digest(service))

    def _is_outdated(self, service: Service) -> bool:
        applied = self._applied(service)
        return not applied.exists() or applied.read_text() != _digest(service)

    def _applied(self, service: Service) -> Path:
        return self._layout.state / 'applied' / service.name

    def _wait(self, service: Service) -> None:
        began = time.monotonic()
        while time.monotonic() < began + service.patience:
            if self._supervisor.process(service.name) is None:
                raise ServiceFailed(service.name, 'died', service.log)
            why = health.answers(service)
            # A process that only has to be there is given the time to die
            # of a wrong option.
            settled = time.monotonic() - began > 1
            if why is None and (
                settled or not isinstance(service.probe, Alive)
            ):
                return
            time.sleep(0.2)
        raise ServiceFailed(
            service.name,
            f'does not answer after {service.patience} s ({why})',
            service.log,
        )


def _digest(service: Service) -> str:
    digest = hashlib.sha256()
    for file in service.files:
        # labctl of another checkout, whose environment is not made, may
        # restart a service.
        if file.exists():
            digest.update(file.read_bytes())
        digest.update(b'\0')
    return digest.hexdigest()


def local_problems(
    services: Iterable[Service], supervisor: Supervisor
) -> dict[str, str]:
    """Service -> why it is not well, as far as this machine knows."""
    found = {}
    running = supervisor.processes()
    for service in services:
        if running.get(service.name) is None:
            found[service.name] = 'is not running'
        elif (why := health.answers(service)) is not None:
            found[service.name] = f'does not answer ({why})'
    return found


def wait(
    problems: Callable[[], dict[str, str]],
    log_path: Callable[[str], Path],
    patience: float,
) -> None:
    """Wait until there are no problems.

    :param patience: seconds.
    :raises ServiceFailed: there still are; it names the first.
    """
    deadline = time.monotonic() + patience
    while found := problems():
        dead = {k: v for k, v in found.items() if v == 'is not running'}
        if dead or time.monotonic() > deadline:
            name, why = next(iter((dead or found).items()))
            raise ServiceFailed(name, why, log_path(name))
        time.sleep(0.5)
