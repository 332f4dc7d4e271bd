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

"""One instance against this host: what is asked, and what comes of it."""

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses

import nova.conf

from nova_blockmig.compute import compute_node
from nova_blockmig.compute import image_cache
from nova_blockmig.compute import images_type
from nova_blockmig.compute import incoming
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import tracker
from nova_blockmig.core import capacity
from nova_blockmig.core import model
from nova_blockmig.core import resource_check
from nova_blockmig.core import verdict
from nova_blockmig.host import files

CONF = nova.conf.CONF


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the conductor, Glance and the record say.

    :ivar own: what the instance needs.
    :ivar base: the image that is to be fetched for it, if any.
    :ivar coming: what the database shows on its way here.
    """

    instance: nova_types.Instance
    host: capacity.HostCapacity
    mode: model.OverCommit
    own: capacity.Incoming
    base: capacity.ImageBase | None
    coming: list[capacity.Incoming]
    counted: tracker.Counted


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a check at the destination finds.

    :ivar outcome: RAM and the image base; the disks are known at the source.
    :ivar disk: what there is for them; None if that is not checked.
    """

    outcome: verdict.Verdict
    mode: model.OverCommit
    disk: verdict.Available | None

    def sentence(self) -> str:
        """All of it in one line."""
        line = self.outcome.sentence()
        if self.disk is None:
            return line
        row = resource_check.check_disk((), self.mode, self.disk)
        return f'{line}; {row.offer()}'


def ask(
    context: nova_types.Context,
    instance: nova_types.Instance,
    row: nova_types.Row,
    mode: model.OverCommit,
    books: tracker.Tracker,
    driver: libvirt_types.Driver,
) -> Asked:
    """Ask everybody who has to be asked; may take its time.

    :param row: this host's compute_nodes record.
    :param books: what Nova's tracker has counted.
    """
    counted = books.counted(row)
    base = None
    if mode is not model.OverCommit.SKIP:
        base = image_cache.to_fetch(context, instance, driver._image_api)
    return Asked(
        instance=instance,
        host=compute_node.from_row(
            row,
            confirmed_seconds=counted.seconds,
            report_seconds=books.report_seconds,
            ratios=books.ratios,
        ),
        mode=mode,
        own=incoming.needs(instance),
        base=base,
        coming=incoming.migrating(context, instance),
        counted=counted,
    )


def evaluate(
    asked: Asked,
    reserved: Callable[
        [Iterable[capacity.Incoming]], Iterable[capacity.Incoming]
    ],
) -> Evaluation:
    """Reckon it up; quick.

    :param reserved: adds to what the database shows what it does not.
    """
    own = asked.own
    counted = own.instance in asked.counted.flavors
    others = incoming.others(
        asked.instance, reserved(asked.coming), asked.counted
    )
    rows = [
        resource_check.check_ram(
            own.memory_bytes,
            asked.host,
            others,
            own_bytes=own.memory_bytes if counted else 0,
        )
    ]
    disk = None
    if asked.mode is not model.OverCommit.SKIP:
        disk = resource_check.available_disk(
            asked.host,
            asked.mode,
            _room(asked.base),
            others,
            own_bytes=own.disk_bytes if counted else 0,
        )
        if asked.base is not None:
            rows.append(resource_check.check_image_base(asked.base, disk))
    return Evaluation(
        verdict.Verdict(own.instance, asked.host.host, tuple(rows)),
        asked.mode,
        disk,
    )


def _room(base: capacity.ImageBase | None) -> capacity.DiskSpace:
    in_files = images_type.effective() in ('qcow2', 'raw', 'ploop')
    return capacity.DiskSpace(
        free_bytes=files.free_bytes(CONF.instances_path) if in_files else None,
        reserved_bytes=compute_node.reserved_bytes(),
        base=base,
    )
