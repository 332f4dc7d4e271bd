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

"""Moving many unlike instances, and comparing every byte of them."""

from collections.abc import Callable
from concurrent import futures
import contextlib
import dataclasses
import itertools
import time
from typing import Any

from blocklab.guest import console
from blocklab.guest import glance
from blocklab.guest.console import Summary
from blocklab.lab import Lab
from blocklab.machine.errors import LabError
from blocklab.migration import migration
from blocklab.migration import scenario
from blocklab.migration.instance import Instance
from blocklab.soak import plan
from blocklab.soak import seen
from blocklab.soak.plan import Planned
from blocklab.soak.seen import Moved

_PATIENCE = 600  # seconds
_EVERY = 1.5  # seconds between two looks at a migration
_EVIDENCE = 20000  # characters of a console that are kept
_BULK_DIGEST = 'sha256sum <bulk'


def soak(
    lab: Lab,
    seed: int,
    *,
    seconds: float,
    width: int,
    moves: int,
    done: Callable[[Planned, Moved], None],
) -> None:
    """Move instances until the time is over; what has begun is ended.

    :param width: how many instances are under way at a time.
    :param done: is given each move, from several threads.
    """
    ends = time.monotonic() + seconds
    numbers = itertools.count()
    images = {
        (disk_format, bus): _image(lab, plan.Image(disk_format, bus))
        for disk_format in plan.IMAGE_FORMATS
        for bus in plan.BUSES
    }

    def work() -> None:
        while time.monotonic() < ends:
            planned = plan.instance(seed, next(numbers), moves)
            image = images[planned.image.disk_format, planned.image.bus]
            one(lab, planned, image, done)

    with futures.ThreadPoolExecutor(width) as pool:
        for worker in [pool.submit(work) for _ in range(width)]:
            worker.result()


def _image(lab: Lab, image: plan.Image) -> Any:
    known = lab.cloud.image.find_image(image.name)
    if known is not None:
        return known
    disk = lab.guest_image.disk
    if image.disk_format == 'raw':
        raw = lab.layout.state / 'soak.raw'
        lab.host(lab.layout.controller.name).run(
            ['qemu-img', 'convert', '-O', 'raw', disk, raw]
        )
        disk = raw
    return glance.create(
        lab.cloud, image.name, disk, image.disk_format,
        visibility='public', **plan.BUSES[image.bus],
    )  # fmt: skip


def one(
    lab: Lab,
    planned: Planned,
    image: Any,
    done: Callable[[Planned, Moved], None],
) -> None:
    """One instance from its boot to its end.

    One whose move was not sound is moved no further, and is kept, paused.
    """
    move = 0
    instance = None
    sound = True
    try:
        instance = _boot(lab, planned, image)
        before = scenario.writing(instance, timeout=_PATIENCE)
        bulk = _write_bulk(instance, planned.bulk_mib)
        for move, paused in enumerate(planned.paused):
            last = move + 1 == len(planned.paused)
            moved = _move(
                lab, instance, planned, move, paused, before,
                bulk=bulk if last else '', last=last,
            )  # fmt: skip
            sound = moved.sound
            done(planned, moved)
            if not sound:
                break
    except migration.ANSWERS as error:
        sound = False
        text = '' if instance is None else instance.console_text()
        done(
            planned,
            Moved(
                planned.number, move, False, '', 0,
                crashed=seen.crashes(text, booted_here=not move),
                error=str(error), console=text[-_EVIDENCE:],
            ),
        )  # fmt: skip
    finally:
        if instance is not None:
            with contextlib.suppress(*migration.ANSWERS):
                instance.delete() if sound else instance.pause()


def _write_bulk(instance: Instance, mib: int) -> str:
    """Write a large file on the first file system; its digest."""
    if not mib:
        return ''
    reply = instance.run(
        'cd "$(grep -o \'/mnt/[a-z0-9]*\' /proc/mounts | head -n 1)" && '
        f'dd if=/dev/urandom of=bulk bs=1M count={mib} 2>/dev/null && '
        f'sync -f . && {_BULK_DIGEST}',
        timeout=_PATIENCE,
    )
    if reply.status:
        raise LabError(
            f'The guest {instance.id} could not write: {reply.output}',
            'See its console with "labctl openstack console log show".',
        )
    return reply.output.strip()


def _look(
    instance: Instance, before: Summary, bulk: str, *, last: bool
) -> tuple[list[str], tuple[str, ...], str]:
    """What the guest finds to be wrong, its crashes, and its console.

    After each move it is looked at until it has read all its files again;
    after the last also until it has looked at what is not to change, and
    counted what it ever found.
    """
    needed = {key for key in before.last if last or key[1] == 'files'}
    deadline = time.monotonic() + _PATIENCE
    while True:
        text = instance.console_text()
        crashed = seen.crashes(text, booted_here=False)
        found = console.summarize(console.parse(text))
        if crashed or found.last.keys() >= needed:
            break
        if time.monotonic() > deadline:
            crashed = (f'silent for {_PATIENCE} s',)
            break
        time.sleep(1)
    wrong = seen.wrong(found)
    if bulk and not crashed:
        reply = instance.run(
            'cd "$(grep -o \'/mnt/[a-z0-9]*\' /proc/mounts | head -n 1)" && '
            f'echo 3 >/proc/sys/vm/drop_caches && {_BULK_DIGEST}',
            timeout=_PATIENCE,
        )
        if reply.output.strip() != bulk:
            wrong.append(f'bulk: {reply.output.strip()}')
    return wrong, crashed, text


def _boot(lab: Lab, planned: Planned, image: Any) -> Instance:
    flavor = scenario.Flavor(
        memory_mib=planned.memory_mib,
        disk_gib=planned.disk_gib,
        ephemeral_gib=sum(size for _, size in planned.ephemeral),
        swap_mib=planned.swap_mib,
    )
    return scenario.boot(
        lab,
        planned.name,
        flavor,
        host=lab.layout.computes[planned.number % 2].name,
        image=image.id,
        config_drive=planned.config_drive,
        block_device_mapping=_devices(planned, image),
        timeout=_PATIENCE,
    )


def _devices(planned: Planned, image: Any) -> list[dict[str, Any]]:
    blank = {
        'source_type': 'blank',
        'destination_type': 'local',
        'boot_index': -1,
        'delete_on_termination': True,
    }
    root = {
        'source_type': 'image',
        'destination_type': 'local',
        'boot_index': 0,
        'uuid': image.id,
        'delete_on_termination': True,
    }
    disks = [
        {**blank, 'guest_format': kind, 'volume_size': size}
        for kind, size in planned.ephemeral
    ]
    if planned.swap_mib:
        disks.append(
            {**blank, 'guest_format': 'swap', 'volume_size': planned.swap_mib}
        )
    return [root, *disks]


def _move(
    lab: Lab,
    instance: Instance,
    planned: Planned,
    number: int,
    paused: bool,
    before: Summary,
    *,
    bulk: str,
    last: bool,
) -> Moved:
    began = time.monotonic()
    here = instance.host_name
    (there,) = (h.name for h in lab.layout.computes if h.name != here)
    if paused:
        instance.pause()
    digests = _digests(instance, paused)
    left = ''

    def watch() -> None:
        # It is removed with the instance's directory.
        nonlocal left
        left = instance.console_text(here) or left

    moved = instance.migrate(
        there, timeout=_PATIENCE, watch=watch, client=False, every=_EVERY
    )
    result = Moved(
        planned.number, number, paused, moved.status, moved.seconds,
        len(digests),
    )  # fmt: skip
    crashed = seen.crashes(left, booted_here=not number)
    if not moved.completed or crashed:
        return dataclasses.replace(
            result, crashed=crashed, console=left[-_EVIDENCE:]
        )
    after = _digests(instance, paused)
    different = [name for name in digests if digests[name] != after.get(name)]
    if different:
        # It stays as it arrived, for whoever looks.
        return dataclasses.replace(result, different=tuple(different))
    instance.unpause()
    wrong, crashed, text = _look(instance, before, bulk, last=last)
    result = dataclasses.replace(
        result,
        different=tuple(wrong),
        crashed=crashed,
        took=round(time.monotonic() - began, 1),
    )
    if result.sound:
        return result
    return dataclasses.replace(result, console=(left + text)[-_EVIDENCE:])


def _digests(instance: Instance, paused: bool) -> dict[str, str]:
    states = instance.hash(read_only=not paused, content_only=True)
    return {name: state.sha256 for name, state in states.items()}
