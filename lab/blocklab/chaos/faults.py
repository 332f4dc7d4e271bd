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

"""Making a fault, and ending it."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import signal
import time
from typing import Any

from blocklab.chaos import matrix
from blocklab.chaos.matrix import Fault
from blocklab.chaos.trial import INSTANCES
from blocklab.chaos.trial import Trial
from blocklab.machine import subprocesses
from blocklab.machine.errors import CommandFailed
from blocklab.machine.errors import LabError
from blocklab.migration import migration
from blocklab.services import keeper

# Large enough for the guest, and small enough to be filled at once.
SMALL_BYTES = 8 << 30


class Strike:
    """A fault of one trial.

    :param image: Glance's image that the instance was booted from.
    """

    def __init__(self, trial: Trial, fault: Fault, image: Any) -> None:
        self._trial = trial
        self._lab = trial.lab
        self._fault = fault
        self._image = image
        self._undo: list[Callable[[], None]] = []

    def strike(self, ended: Callable[[], bool]) -> None:
        """Do it, for as long as it lasts.

        :param ended: whether Nova has given the migration up.
        """
        getattr(self, f'_{self._fault.kind}')(ended)

    def recover(self) -> None:
        """Everything that was taken away is there again."""
        while self._undo:
            self._undo.pop()()

    def _kill(self, _: Callable[[], bool]) -> None:
        trial, fault = self._trial, self._fault
        if fault.target == 'qemu':
            pid = trial.qemu(fault.side)
            if pid is None:
                raise LabError('There is no QEMU to kill.', 'Try again.')
            os.kill(pid, signal.SIGKILL)
            return
        name = f'{fault.target}@{trial.name_of(fault.side)}'
        self._kill_service(name)

    def _kill_service(self, name: str) -> None:
        supervisor = self._lab.supervisor
        pid = supervisor.process(name)
        if pid is None:
            raise LabError(f'{name} does not run.', 'See "labctl status".')
        self._undo.append(lambda: self._start(name))
        os.kill(pid, signal.SIGKILL)
        while supervisor.process(name) is not None:
            time.sleep(0.1)
        self.recover()

    def _start(self, name: str) -> None:
        keep = keeper.Keeper(
            self._lab.layout, self._lab.supervisor, self._lab.progress
        )
        keep.restart(self._lab.service(name))

    def _restart(self, _: Callable[[], bool]) -> None:
        self._start(self._fault.target)

    def _stop(self, ended: Callable[[], bool]) -> None:
        self._undo.append(lambda: self._start(self._fault.target))
        self._lab.supervisor.stop(self._fault.target)
        _wait(ended, 120)

    def _cut(self, ended: Callable[[], bool]) -> None:
        # The end of the cable that is at the switch.
        controller = self._lab.host(self._lab.layout.controller.name)
        port = ['ip', 'link', 'set', 'dev', f'm-{self._trial.source}']
        self._undo.append(lambda: _ignore(controller.run([*port, 'up'])))
        controller.run([*port, 'down'])
        if self._fault.seconds > 60:
            _wait(ended, self._fault.seconds)
        else:
            time.sleep(self._fault.seconds)
        self.recover()

    def _fill(self, ended: Callable[[], bool]) -> None:
        host = self._trial.host(self._fault.side)
        ballast = f'{INSTANCES}/ballast'
        if self._fault.side == matrix.SOURCE:
            # QEMU pauses a guest whose disk cannot grow.
            self._undo.append(lambda: _resume(host, self._trial.domain))
        self._undo.append(lambda: _ignore(host.run(['rm', '-f', ballast])))
        said = host.run(['stat', '--file-system', '--format=%a %S', INSTANCES])
        blocks, size = map(int, said.split())
        host.run(['fallocate', f'--length={(blocks - 64) * size}', ballast])
        # The rest of it: until nothing more is to be had.
        with contextlib.suppress(CommandFailed):
            host.run(
                ['dd', 'if=/dev/zero', f'of={ballast}', 'bs=4k',
                 'oflag=append', 'conv=notrunc', 'status=none']
            )  # fmt: skip
        _wait(ended, 120)

    def _delete(self, _: Callable[[], bool]) -> None:
        self._lab.cloud.image.delete_image(self._image)

    def _ask(self, _: Callable[[], bool]) -> None:
        newest = max(
            migration.records(self._lab, self._trial.instance.id),
            key=lambda record: record.id,
        )
        words = {
            'abort': 'live-migration-abort',
            'force-complete': 'live-migration-force-complete',
        }
        self._lab.client(
            'nova', words[self._fault.target], self._trial.instance.id,
            str(newest.id),
        )  # fmt: skip


def _ignore(_: object) -> None:
    """Nothing of what was said is of interest."""


def _resume(host: Any, domain: str) -> None:
    with contextlib.suppress(CommandFailed):
        if host.run(['virsh', 'domstate', domain]).strip() == 'paused':
            host.run(['virsh', 'resume', domain])


def _wait(ended: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not ended():
        time.sleep(1)


@contextlib.contextmanager
def small_disk(lab: Any, name: str) -> Iterator[None]:
    """A host's instances are on a file system of their own meanwhile.

    There must be no instances on it. It is mounted in the host and on the
    machine, so that both see the same.
    """
    outside = lab.instances_path(name)
    image = Path(lab.layout.state) / f'{name}.small'
    with image.open('wb') as file:
        file.truncate(SMALL_BYTES)
    subprocesses.run('Making a file system', ['mkfs.ext4', '-q', image])
    subprocesses.run('Mounting', ['mount', '-o', 'loop', image, outside])
    device = subprocesses.run(
        'Asking for the device',
        ['findmnt', '--noheadings', '--output=SOURCE', outside],
    ).strip()
    host = lab.host(name)
    try:
        host.run(['mount', device, INSTANCES])
        try:
            lab.restart([f'nova-compute@{name}'])
            yield
        finally:
            # Lazily: nova-compute has a lock file open.
            host.run(['umount', '--lazy', INSTANCES])
    finally:
        subprocesses.run('Unmounting', ['umount', '--lazy', outside])
        lab.restart([f'nova-compute@{name}'])
        image.unlink()
