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


"""Will it fit: the formulas of the resource check.

Every size is in bytes. doc/source/reference/resource-check.rst works them
through; the driver and whoever asks beforehand use the same ones.
"""

from collections.abc import Iterable
from collections.abc import Sequence

from nova_blockmig.core import capacity
from nova_blockmig.core import model
from nova_blockmig.core import verdict

_OWN = 'counted for this instance'
_WHAT_TO_DO = (
    'check that the periodic task update_available_resource of its '
    'nova-compute succeeds'
)


def available_ram(
    host: capacity.HostCapacity,
    incoming: Sequence[capacity.Incoming] = (),
    own_bytes: int = 0,
) -> verdict.Available:
    """memory x ratio - used - incoming; Nova's conductor has the first two.

    :param own_bytes: what the record has of the instance itself, from an
        attempt before this one.
    """
    if host.stale:
        return _stale(host)
    total = int(host.memory_bytes * host.ram_allocation_ratio)
    coming = sum(i.memory_bytes for i in incoming if not i.flavor_counted)
    return _sum(
        (f'memory x {host.ram_allocation_ratio:g}', total),
        ('used', -host.memory_used_bytes),
        (_OWN, own_bytes),
        ('incoming migrations', -coming),
    )


def check_ram(
    need_bytes: int,
    host: capacity.HostCapacity,
    incoming: Sequence[capacity.Incoming] = (),
    own_bytes: int = 0,
) -> verdict.Row:
    """Whether the memory of the instance's flavor fits."""
    there = available_ram(host, incoming, own_bytes)
    return verdict.Row(verdict.Resource.RAM, need_bytes, there)


def available_disk(
    host: capacity.HostCapacity,
    mode: model.OverCommit,
    room: capacity.DiskSpace,
    incoming: Sequence[capacity.Incoming] = (),
    own_bytes: int = 0,
) -> verdict.Available:
    """Room for the disks of an instance once its image is in the cache.

    The smaller of what the record has and what is measured. What is on its
    way counts against the record until the record counts it, and against
    the measured space as long as it is being written.

    :param mode: VIRTUAL or ACTUAL.
    :param own_bytes: what ``local_gb_used`` has of the instance itself, from
        an attempt before this one.
    """
    if host.stale:
        return _stale(host)
    least = host.disk_available_least_bytes
    if mode is model.OverCommit.ACTUAL:
        # Nova's local_gb_used has the reserve in it.
        local = int(host.local_bytes * host.disk_allocation_ratio)
        label = f'local_gb x {host.disk_allocation_ratio:g}'
        record = [
            (label, local),
            ('local_gb_used', -host.local_used_bytes),
            (_OWN, own_bytes),
        ]
        coming = [i for i in incoming if not i.flavor_counted]
    elif least is None:
        return verdict.Available(
            None,
            unknown=f'the record of {host.host} has no '
            f'disk_available_least; {_WHAT_TO_DO}',
        )
    else:
        record = [
            ('disk_available_least', least),
            ('reserve', -room.reserved_bytes),
        ]
        coming = [i for i in incoming if not i.disks_counted]
    kept = ('image base', -(room.base.kept_bytes if room.base else 0))
    on_the_way = sum(i.disk_bytes for i in coming)
    by_record = _sum(*record, ('incoming migrations', -on_the_way), kept)
    if room.free_bytes is None:
        return by_record
    left = sum(i.left_bytes for i in incoming)
    measured = _sum(
        ('free in instances_path', room.free_bytes),
        ('reserve', -room.reserved_bytes),
        ('incoming migrations', -left),
        kept,
    )
    return min(by_record, measured, key=lambda side: _total(side.terms))


def check_image_base(
    base: capacity.ImageBase, disk: verdict.Available
) -> verdict.Row:
    """Whether the image can be fetched, before any disk is there.

    :param disk: what :func:`available_disk` returned, the base taken off.
    """
    resource = verdict.Resource.IMAGE_BASE
    if base.unknown:
        there = verdict.Available(None, unknown=base.unknown)
        return verdict.Row(resource, max(base.peak_bytes, 1), there)
    if disk.bytes is None:
        return verdict.Row(resource, base.peak_bytes, disk)
    terms = tuple(term for term in disk.terms if term[0] != 'image base')
    there = verdict.Available(disk.bytes + base.kept_bytes, terms)
    return verdict.Row(resource, base.peak_bytes, there)


def check_disk(
    needs: Sequence[capacity.DiskNeed],
    mode: model.OverCommit,
    available: verdict.Available,
) -> verdict.Row:
    """Whether the disks fit; the mode chooses which of their sizes."""
    actual = mode is model.OverCommit.ACTUAL
    return verdict.Row(
        verdict.Resource.DISK,
        sum(disk.bytes(mode) for disk in needs),
        available,
        unit='allocated sizes' if actual else 'virtual sizes',
    )


def _stale(host: capacity.HostCapacity) -> verdict.Available:
    return verdict.Available(
        None,
        unknown=f'the record of {host.host} is '
        f'{host.age_seconds:.0f} seconds old; {_WHAT_TO_DO}',
    )


def _sum(*terms: verdict.Term) -> verdict.Available:
    """The terms that are not zero, and their sum; the first always shows."""
    shown = (terms[0], *(term for term in terms[1:] if term[1]))
    return verdict.Available(_total(shown), shown)


def _total(terms: Iterable[verdict.Term]) -> int:
    return sum(amount for _, amount in terms)
