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

"""Running steps side by side, each when those that it needs are done."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import concurrent.futures
from dataclasses import dataclass
import graphlib


@dataclass(frozen=True)
class Step:
    """A piece of work.

    :ivar needs: names of the steps that come before it.
    """

    work: Callable[[], None]
    needs: tuple[str, ...] = ()


def run(steps: Mapping[str, Step], width: int) -> None:
    """Run all steps, `width` of them at a time at most.

    Of the steps that are ready, those named first begin first. After a
    failure no further step begins; the first failure is raised when those
    that run have ended.

    :raises ValueError: a step needs one that does not exist.
    :raises graphlib.CycleError: steps need one another.
    """
    _check(steps)
    order = {name: place for place, name in enumerate(steps)}
    sorter = graphlib.TopologicalSorter(
        {name: step.needs for name, step in steps.items()}
    )
    sorter.prepare()
    failure: BaseException | None = None
    waiting: list[str] = []
    running: dict[concurrent.futures.Future[None], str] = {}
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        while sorter.is_active() and not (failure and not running):
            waiting += sorter.get_ready()
            waiting.sort(key=order.__getitem__)
            while waiting and len(running) < width and not failure:
                name = waiting.pop(0)
                running[pool.submit(steps[name].work)] = name
            done, _ = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                failure = failure or future.exception()
                sorter.done(running.pop(future))
    if failure:
        raise failure


def _check(steps: Mapping[str, Step]) -> None:
    needed: Iterable[str] = (n for s in steps.values() for n in s.needs)
    if missing := set(needed) - set(steps):
        raise ValueError(f'no such steps: {", ".join(sorted(missing))}')
