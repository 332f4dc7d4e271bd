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

"""Running one cell: boot, move, strike, wait, judge, and move again."""

from collections.abc import Callable
from concurrent import futures
import contextlib
import dataclasses
from dataclasses import dataclass
import datetime
import random
import time
from typing import Any

from blocklab.chaos import after
from blocklab.chaos import faults
from blocklab.chaos import matrix
from blocklab.chaos import observe
from blocklab.chaos import slow
from blocklab.chaos.events import Catcher
from blocklab.chaos.matrix import Cell
from blocklab.chaos.outcome import Result
from blocklab.chaos.trial import Trial
from blocklab.guest import glance
from blocklab.guest.console import Summary
from blocklab.lab import Lab
from blocklab.machine.layout import COMPUTES
from blocklab.migration import migration
from blocklab.migration import scenario
from blocklab.migration.instance import Instance
from blocklab.services.settings import Extra

FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
# A flattening has to last until it is slowed.
_LARGER = dataclasses.replace(FLAVOR, ephemeral_gib=4)
# Nothing may be sent inline, so that it is flattened.
FLATTENED = {'blockmig': {'max_inline_bytes': '0'}}
# What Nova puts right by itself it puts right soon: seconds between two runs
# of its periodic tasks. What they do is not changed.
OFTEN = {
    'DEFAULT': {
        'sync_power_state_interval': '10',
        'update_resources_interval': '10',
    }
}
# Written by the guest, so that there is something to copy.
BULK_MIB = 40


@dataclass(frozen=True)
class Subject:
    """A guest that a cell is done to.

    :ivar image: Glance's image that it was booted from.
    :ivar before: what it had said when it was new.
    """

    instance: Instance
    image: Any
    before: Summary


class CellRun:
    """One cell on a lab that is up, with no instance of the same name.

    :param driver: what the lab runs, for the record.
    :param seed: decides where in a copy or a flattening the fault comes.
    """

    def __init__(self, lab: Lab, cell: Cell, driver: str, seed: int) -> None:
        self._lab = lab
        self._cell = cell
        self._driver = driver
        self._seed = seed
        self._random = random.Random(f'{seed} {cell.name}')  # noqa: S311
        self._facts = after.Facts()

    def run(self, subject: Subject | None) -> tuple[Result, Subject | None]:
        """Run it; whatever happens is part of the result.

        :param subject: one that another cell has left, or None.
        :returns: and what the next cell can use.
        """
        began = time.monotonic()
        facts = self._facts
        try:
            with contextlib.ExitStack() as stack:
                subject = self._run(stack, subject)
        except after.ANSWERS as error:
            facts.notes.append(f'the trial broke off: {error}')
            subject = None
        result = Result(
            cell=self._cell.name,
            driver=self._driver,
            seed=self._seed,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            versions=observe.versions(self._lab),
            hit=facts.hit,
            migration=facts.migration,
            lost=tuple(facts.lost),
            problems=tuple(facts.problems),
            again=facts.again,
            seconds=round(time.monotonic() - began, 1),
            notes=tuple(facts.notes),
            observed=facts.observed,
            timings=facts.timings,
        )
        whole = facts.again == 'completed' and not facts.lost
        return result, subject if whole else None

    def _run(
        self, stack: contextlib.ExitStack, subject: Subject | None
    ) -> Subject:
        hosts = [host.name for host in self._lab.layout.computes]
        if side := self._cell.needs_small_disk:
            name = hosts[0] if side == matrix.SOURCE else hosts[1]
            stack.enter_context(faults.small_disk(self._lab, name))
        if subject is None:
            with self._facts.timing('boot'):
                subject = self._boot(hosts[0])
            if self._cell.needs_small_disk:
                stack.callback(self._delete, subject.instance)
        instance = subject.instance
        here = instance.host_name
        (there,) = (name for name in hosts if name != here)
        trial = Trial(
            self._lab, instance, instance.server.instance_name, here, there
        )
        with self._facts.timing('disturb'):
            self._disturb(trial, subject.image)
        afterwards = after.Afterwards(
            trial,
            self._facts,
            subject.before,
            guest_may_die=self._cell.guest_may_die,
        )
        for step in (
            afterwards.settle, afterwards.judge, afterwards.check_guest,
            afterwards.again,
        ):  # fmt: skip
            with self._facts.timing(step.__name__):
                step()
        return subject

    def _boot(self, host: str) -> Subject:
        # An image of its own: it may be deleted. Another run may have left
        # one of the same name.
        name = 'chaos-' + self._cell.name.replace(':', '-')
        for image in self._lab.cloud.image.images(name=name):
            self._lab.cloud.image.delete_image(image)
        image = glance.create(
            self._lab.cloud, name, self._lab.guest_image.disk
        )
        instance = scenario.boot(
            self._lab,
            self._cell.name.replace(':', '-'),
            _LARGER if self._cell.step == 'flatten' else FLAVOR,
            host=host,
            image=image.id,
            # What cannot be sent has to be flattened, and this cannot.
            config_drive=self._cell.step != 'flatten',
            timeout=400,
        )
        before = scenario.writing(instance, timeout=400)
        instance.run(
            f'dd if=/dev/urandom of=/mnt/vda2/bulk bs=1M count={BULK_MIB}; '
            'sync',
            timeout=300,
        )
        return Subject(instance, image, before)

    def _delete(self, instance: Instance) -> None:
        with contextlib.suppress(*after.ANSWERS):
            instance.delete()

    # The fault

    def _disturb(self, trial: Trial, image: Any) -> None:
        cell = self._cell
        strike = faults.Strike(trial, cell.fault, image)
        brake = slow.Brake(trial)
        share = self._random.uniform(0.05, 0.3) if cell.step == 'copy' else 0
        catcher = Catcher(trial, cell.step, share)
        with contextlib.ExitStack() as stack:
            stack.enter_context(catcher.listening())
            if cell.step == 'copy':
                stack.enter_context(brake.link())
            pool = stack.enter_context(futures.ThreadPoolExecutor(1))
            request = pool.submit(
                migration.begin, self._lab, trial.instance.id,
                trial.destination,
            )  # fmt: skip
            there = catcher.wait(lambda: self._ended(trial, request))
            if there and cell.step == 'flatten':
                brake.flattening(1)
            self._facts.hit = there
            if there:
                try:
                    strike.strike(lambda: self._ended(trial, request))
                finally:
                    strike.recover()
                # What was started again finds the step as it was.
                if cell.fault.kind in ('kill', 'restart'):
                    with self._facts.noting('waiting for the services'):
                        self._lab.wait_until_reporting(120)
            else:
                self._facts.notes.append('the step was not caught')
            brake.release()
            with self._facts.noting('the request'):
                request.result()

    def _ended(self, trial: Trial, request: 'futures.Future[Any]') -> bool:
        """Whether Nova has come to an end of the migration."""
        if not request.done():
            return False
        with contextlib.suppress(*after.ANSWERS):
            newest = after.newest(trial)
            return (
                newest is not None
                and newest.status in migration.FINAL
                and trial.instance.server.task_state is None
            )
        return False


def settings_for(cell: Cell) -> Extra:
    """What nova.conf of the compute hosts needs for a cell."""
    settings = OFTEN | (FLATTENED if cell.step == 'flatten' else {})
    return dict.fromkeys(COMPUTES, settings)


def uses_up(cell: Cell) -> bool:
    """Whether no other cell can use the same guest.

    Its disks are flattened, its image is gone, or it is on a small disk.
    """
    return (
        cell.step == 'flatten'
        or bool(cell.needs_small_disk)
        or cell.guest_may_die
        or cell.fault.target in ('image', 'glance')
    )


def run_cells(
    cells: tuple[Cell, ...],
    driver: str,
    seed: int,
    *,
    ready: Callable[[Extra], Lab],
    done: Callable[[Result], None],
) -> None:
    """Run cells, one after the other.

    A guest that a cell leaves whole is used for the next one.

    :param ready: gives the lab with such settings, and without instances.
    :param done: is given each result at once.
    """
    subject = None
    for cell in cells:
        if subject is None or uses_up(cell):
            subject = None
            lab = ready(settings_for(cell))
        with lab.progress.step(f'{cell.name} with {driver}', announce=True):
            result, subject = CellRun(lab, cell, driver, seed).run(subject)
        if uses_up(cell):
            subject = None
        done(result)
