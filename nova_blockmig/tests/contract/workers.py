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

"""Starts the workers, one per class, and watches over them."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from nova_blockmig.tests.contract import compare
from nova_blockmig.tests.contract import environment

SILENCE = 300.0
"""Seconds without a test's beginning or end after which a worker counts as
hung. Nova's own limit for a test is 160 s."""

MOST_AGAIN = 20
"""Most tests that are run a second time because they differ."""

_POLL = 0.5
_WORKER = 'nova_blockmig.tests.contract.worker'


@dataclasses.dataclass(frozen=True)
class Suite:
    """Some of Nova's tests.

    :ivar modules: test modules, or packages of them.
    :ivar select: regular expression over the ids of the tests to run.
    :ivar exclude: of those not to run; it wins.
    """

    modules: tuple[str, ...]
    select: str = ''
    exclude: str = ''


SUITES = {
    'unit': Suite(
        modules=(
            'nova.tests.unit.virt.libvirt.test_driver',
            'nova.tests.unit.virt.test_virt_drivers',
        ),
    ),
    'functional': Suite(
        modules=('nova.tests.functional.libvirt',),
        select='[Ll]ive_?[Mm]igra|migration_addr|device_bus_migration',
        # It may wait for ever, with the in-tree class as well.
        exclude='test_bug_1894095',
    ),
}


def narrowed(suite: Suite, tests: str | None) -> Suite:
    """The part of a suite whose ids match another expression as well."""
    if tests is None:
        return suite
    both = f'(?=.*(?:{tests}))(?=.*(?:{suite.select}))'
    return dataclasses.replace(suite, select=both)


def only(suite: Suite, tests: Sequence[str]) -> Suite | None:
    """The part of a suite that has these ids, to be run once more.

    None if there is nothing to run, or so much that it is no accident.
    """
    if not 0 < len(tests) <= MOST_AGAIN:
        return None
    ids = '|'.join(re.escape(test) for test in tests)
    return dataclasses.replace(suite, select=f'^(?:{ids})$')


class Worker:
    """One process after another, until every test has been run.

    A test that hangs, or that ends its process, is recorded as that, and
    the next process goes on behind it.

    :param driver: the class to put in the place of Nova's, or None.
    """

    def __init__(
        self,
        ready: environment.Environment,
        suite: Suite,
        driver: str | None,
        directory: pathlib.Path,
        variables: Mapping[str, str],
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._ready = ready
        self._results = directory / 'results.jsonl'
        self._results.write_text('')
        self._log = directory / 'log'
        self._job = directory / 'job.json'
        job = {
            **dataclasses.asdict(suite),
            'driver': driver,
            'results': str(self._results),
        }
        self._job.write_text(json.dumps(job))
        self._variables = variables
        self._process = self._start()
        self._seen = (0, time.monotonic())

    def finished(self) -> bool:
        """Whether all tests have been run; to be asked again and again.

        :raises environment.CouldNotRun: the process ends before any test.
        """
        status = self._process.poll()
        if status == 0:
            return True
        if status is not None:
            self._go_on(compare.DIED)
        elif self._silent() > SILENCE:
            self.stop()
            self._go_on(compare.HUNG)
        return False

    def outcomes(self) -> dict[str, compare.Outcome]:
        """What has become of the tests so far."""
        return compare.outcomes(self._results.read_text().splitlines())

    def stop(self) -> None:
        """End the process, if it is still there."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        path = (str(self._ready.tree), str(environment.CHECKOUT))
        with self._log.open('ab') as log:
            return subprocess.Popen(
                [str(self._ready.python), '-m', _WORKER, str(self._job)],
                cwd=self._ready.tree,
                env={**self._variables, 'PYTHONPATH': os.pathsep.join(path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _silent(self) -> float:
        size = self._results.stat().st_size
        if size != self._seen[0]:
            self._seen = (size, time.monotonic())
        return time.monotonic() - self._seen[1]

    def _go_on(self, status: str) -> None:
        """Blame the test that was running, and start behind it."""
        lines = self._results.read_text().splitlines()
        last = json.loads(lines[-1]) if lines else {'status': None}
        if last['status'] != 'running':
            end = self._log.read_text(errors='replace').splitlines()[-20:]
            raise environment.CouldNotRun('\n'.join(end))
        record = {'test': last['test'], 'status': status, 'detail': ''}
        with self._results.open('a') as stream:
            stream.write(json.dumps(record) + '\n')
        self._seen = (0, time.monotonic())
        self._process = self._start()


def run(workers: Mapping[str, Worker]) -> None:
    """Wait for all workers; tells on stderr how far they are.

    :raises environment.CouldNotRun: one of them cannot run at all.
    """
    running = list(workers.values())
    told = time.monotonic()
    # The workers have sessions of their own, so nobody else ends them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    try:
        while running:
            time.sleep(_POLL)
            running = [w for w in running if not w.finished()]
            if time.monotonic() - told >= 30:
                told = time.monotonic()
                counts = ', '.join(
                    f'{name} {len(worker.outcomes())}'
                    for name, worker in workers.items()
                )
                print(f'tests so far: {counts}', file=sys.stderr)
    finally:
        for worker in workers.values():
            worker.stop()
