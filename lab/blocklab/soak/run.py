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
import dataclasses
from dataclasses import dataclass
import itertools
import time
from typing import Any

from blocklab.guest import glance
from blocklab.guest.console import Summary
from blocklab.lab import Lab
from blocklab.machine.errors import LabError
from blocklab.migration import scenario
from blocklab.migration.instance import Instance
from blocklab.soak import plan
from blocklab.soak.plan import Planned

_PATIENCE = 600


@dataclass(frozen=True)
class Moved:
    """One migration of a soak.

    :ivar compared: how many disks were compared by their digests.
    :ivar different: the disks whose digest changed, and what the guest
        found to be wrong.
    :ivar error: why it could not be judged; '' if it could.
    """

    number: int
    move: int
    paused: bool
    status: str
    seconds: float
    compared: int = 0
    different: tuple[str, ...] = ()
    error: str = ''

    @property
    def sound(self) -> bool:
        return (
            self.status == 'completed' and not self.different
            and not self.error
        )  # fmt: skip


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
    """One instance from its boot to its end."""
    move = 0
    instance = None
    try:
        instance = _boot(lab, planned, image)
        before = scenario.writing(instance, timeout=_PATIENCE)
        if planned.bulk_mib:
            instance.run(
                "d=$(grep -o '/mnt/[a-z0-9]*' /proc/mounts | head -n 1); "
                '[ -n "$d" ] && dd if=/dev/urandom of="$d/bulk" bs=1M '
                f'count={planned.bulk_mib} && sync',
                timeout=_PATIENCE,
            )
        for move, paused in enumerate(planned.paused):
            done(planned, _move(lab, instance, planned, move, paused, before))
    except (LabError, OSError) as error:
        done(
            planned,
            Moved(planned.number, move, False, '', 0, error=str(error)),
        )
    finally:
        if instance is not None:
            instance.delete()


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
) -> Moved:
    here = instance.host_name
    (there,) = (h.name for h in lab.layout.computes if h.name != here)
    if paused:
        instance.pause()
    digests = _digests(instance, paused)
    moved = instance.migrate(there, timeout=_PATIENCE)
    result = Moved(
        planned.number, number, paused, moved.status, moved.seconds,
        len(digests),
    )  # fmt: skip
    if not moved.completed:
        return result
    after = _digests(instance, paused)
    different = [name for name in digests if digests[name] != after.get(name)]
    instance.unpause()
    seen = instance.wait_for_guest(
        lambda seen: seen.last.keys() >= before.last.keys(),
        'a look at every disk',
        _PATIENCE,
    )
    if not seen.sound:
        different += [f'{each.disk} {each.file}' for each in seen.found]
        different += [each.what for each in seen.errors]
        different += [each.line for each in seen.kernel]
    return dataclasses.replace(result, different=tuple(different))


def _digests(instance: Instance, paused: bool) -> dict[str, str]:
    return {
        name: state.sha256
        for name, state in instance.hash(read_only=not paused).items()
    }
