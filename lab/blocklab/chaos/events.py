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

"""Catching a step: by what is seen of it, not by the time it takes."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import re
import subprocess
import threading
import time

from blocklab.chaos import matrix
from blocklab.chaos.trial import Trial
from blocklab.machine.errors import CommandFailed
from blocklab.migration import migration

_LOOK = 0.02


class Catcher:
    """Waits for a step of a migration that is about to be asked for.

    Used as a context around the request, for what is listened to has to be
    listened to before.

    :param share: of a copy or a flattening that is to be done by then, from
        0 to 1.
    """

    def __init__(self, trial: Trial, step: str, share: float = 0) -> None:
        self._trial = trial
        self._step = step
        self._share = share
        self._lifecycle: list[str] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen meanwhile."""
        trial = self._trial
        side = {
            'switch-over': matrix.SOURCE,
            'clean-up': matrix.DESTINATION,
        }.get(self._step)
        if side is None:
            yield
            return
        with trial.host(side).popen(
            ['stdbuf', '-oL', 'virsh', 'event', '--loop', '--event',
             'lifecycle'],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
        ) as listener:  # fmt: skip
            thread = threading.Thread(
                target=self._listen, args=(listener,), daemon=True
            )
            thread.start()
            try:
                yield
            finally:
                listener.terminate()

    def _listen(self, listener: 'subprocess.Popen[bytes]') -> None:
        for line in listener.stdout or ():
            self._lifecycle.append(line.decode(errors='replace'))

    def wait(self, over: Callable[[], bool], timeout: float = 180) -> bool:
        """Wait for the step.

        :param over: whether the migration has ended before it.
        :returns: whether the step is there.
        """
        seen: Callable[[], bool] = {
            'check': self._check,
            'prepare-source': self._preparing,
            'prepare-destination': self._directory,
            'flatten': lambda: self._job('Block Pull'),
            'copy': lambda: self._job('Block Copy'),
            'switch-over': lambda: self._event('Suspended'),
            'clean-up': lambda: self._event('Resumed'),
        }[self._step]
        deadline = time.monotonic() + timeout
        asked = 0.0
        while time.monotonic() < deadline:
            if seen():
                return True
            # Asking takes longer than a look.
            if time.monotonic() - asked > 1:
                if over():
                    return False
                asked = time.monotonic()
            time.sleep(_LOOK)
        return False

    def _check(self) -> bool:
        # Nova's driver makes a file for the source to look for.
        return bool(
            re.search(
                r'Creating tmpfile \S+ to notify',
                self._trial.logged(matrix.DESTINATION),
            )
        )

    def _preparing(self) -> bool:
        return any(
            record.status == 'preparing'
            for record in migration.records(
                self._trial.lab, self._trial.instance.id
            )
            if record.uuid not in self._trial.known
        )

    def _directory(self) -> bool:
        return self._trial.directory(matrix.DESTINATION).exists()

    def _job(self, kind: str) -> bool:
        for target in targets(self._trial):
            job = block_job(self._trial, target)
            if job is not None and job.kind == kind and job.end:
                return job.current >= max(1, self._share * job.end)
            if kind == 'Block Copy':
                # The others are small, and there before the first one.
                return False
        return False

    def _event(self, what: str) -> bool:
        return any(
            f"'{self._trial.domain}'" in line and what in line
            for line in tuple(self._lifecycle)
        )


@dataclass(frozen=True)
class Job:
    """A block job, in bytes."""

    kind: str
    current: int
    end: int


def targets(trial: Trial) -> list[str]:
    """The devices of the guest, from what libvirt keeps in its files."""
    run = trial.lab.layout.host(trial.source).run
    status = run / 'libvirt' / 'qemu' / f'{trial.domain}.xml'
    try:
        text = status.read_text()
    except FileNotFoundError:
        return []
    return sorted(set(re.findall(r"<target dev='(vd[a-z])'", text)))


def block_job(trial: Trial, target: str) -> Job | None:
    """The job of a disk of the guest on the source."""
    try:
        said = trial.host(matrix.SOURCE).run(
            ['virsh', 'blockjob', '--raw', trial.domain, target]
        )
    except CommandFailed:
        return None
    return parse_job(said)


def parse_job(said: str) -> Job | None:
    """What "virsh blockjob --raw" says of a job, if there is one."""
    kind = re.search(r'^\s*type=(.+)$', said, re.M)
    figures = dict(re.findall(r'^\s*(cur|end)=(\d+)$', said, re.M))
    if kind is None or len(figures) < 2:
        return None
    return Job(kind[1].strip(), int(figures['cur']), int(figures['end']))
