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

"""What two compute hosts have to have alike, and how they differ.

Sizes are in bytes, times in seconds since 1970.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import Any

from nova_blockmig.core import host_findings
from nova_blockmig.core import verdict

Level = host_findings.Level
# Nova's own limit for the clocks of its services is one minute
# ([DEFAULT] service_down_time); tokens and records want less.
_SKEW = 2.0


@dataclasses.dataclass(frozen=True)
class HostFacts:
    """What a compute host says of itself.

    :ivar version: of nova-blockmig.
    :ivar payloads: the oldest and the newest form of the message between two
        hosts that it understands.
    :ivar free_bytes: None if instances_path cannot be accessed.
    :ivar now: its clock.
    """

    host: str
    version: str
    nova: str
    payloads: tuple[int, int]
    images_type: str
    instances_path: str
    config_drive_format: str
    free_bytes: int | None
    reserved_bytes: int
    now: float

    def to_plain(self) -> dict[str, Any]:
        """For the message bus."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> 'HostFacts':
        """From the message bus; fields of a newer version are left out."""
        names = [field.name for field in dataclasses.fields(cls)]
        values = {name: plain[name] for name in names}
        oldest, newest = values['payloads']
        return cls(**{**values, 'payloads': (int(oldest), int(newest))})


def compare(here: HostFacts, there: HostFacts) -> host_findings.Finding:
    """Whether instances can move between the two, and what to do if not."""
    found = [*_differences(here, there), *_room(there)]
    if not found:
        return host_findings.good(
            f'{there.host} has the same images_type, instances_path, '
            'config_drive_format and releases; '
            f'{verdict.human(there.free_bytes or 0)} is free there.'
        )
    return host_findings.Finding(
        max(finding.level for finding in found),
        ' '.join(finding.text for finding in found),
    )


def _differences(
    here: HostFacts, there: HostFacts
) -> Iterator[host_findings.Finding]:
    one, other = here.host, there.host
    if max(here.payloads[0], there.payloads[0]) > min(
        here.payloads[1], there.payloads[1]
    ):
        yield _bad(
            f'nova-blockmig {here.version} on {one} and {there.version} on '
            f'{other} have no protocol version in common, so each treats the '
            'other as a host with the in-tree driver: disks are flattened, '
            'and instances with a config drive are refused. Install the '
            'newer release on both hosts.'
        )
    elif here.version != there.version:
        yield _care(
            f'{one} runs nova-blockmig {here.version} and {other} '
            f'{there.version}. The two are compatible; complete the upgrade.'
        )
    if here.nova.split('.')[0] != there.nova.split('.')[0]:
        yield _care(
            f'{one} runs Nova {here.nova} and {other} Nova {there.nova}. '
            'Complete the upgrade.'
        )
    if here.images_type != there.images_type:
        yield _bad(
            f'[libvirt] images_type is {here.images_type} on {one} and '
            f'{there.images_type} on {other}: every block migration is '
            'refused. Set the same value on all hosts; existing instances '
            'keep their disks as they are.'
        )
    if here.instances_path != there.instances_path:
        yield _bad(
            f'instances_path is {here.instances_path} on {one} and '
            f'{there.instances_path} on {other}: libvirt expects the disks at '
            'the same path on both hosts. Set the same value on all hosts.'
        )
    if here.config_drive_format != there.config_drive_format:
        yield _care(
            f'config_drive_format is {here.config_drive_format} on {one} and '
            f'{there.config_drive_format} on {other}: a config drive that is '
            'rebuilt there will have the other format. Set the same value on '
            'all hosts.'
        )


def _room(there: HostFacts) -> Iterator[host_findings.Finding]:
    if there.free_bytes is None:
        yield _bad(
            f'instances_path {there.instances_path} cannot be accessed on '
            f'{there.host}. Mount it, or correct its permissions.'
        )
    elif there.free_bytes <= there.reserved_bytes:
        yield _care(
            f'Only {verdict.human(there.free_bytes)} is free on {there.host}, '
            'and reserved_host_disk_mb reserves '
            f'{verdict.human(there.reserved_bytes)}: no instance can be '
            'migrated to that host.'
        )


def clocks(
    host: str, before: float, there: float, after: float
) -> host_findings.Finding:
    """How far the clock of another host is from ours.

    :param before: our clock when it was asked.
    :param after: our clock when its answer had come.
    """
    doubt = (after - before) / 2
    skew = there - (before + after) / 2
    told = (
        f'The clock of {host} is {abs(skew):.1f} s '
        f'{"ahead" if skew > 0 else "behind"} (within {doubt:.1f} s)'
    )
    if abs(skew) - doubt <= _SKEW:
        return host_findings.good(f'{told}.')
    return _care(
        f'{told}. Synchronize the clocks (NTP): otherwise services appear to '
        'be down and records are in the wrong order.'
    )


def ports(
    host: str, range_: tuple[int, int], silent: list[int]
) -> host_findings.Finding:
    """Whether QEMU's ports of a host can be reached.

    :param silent: those from which nothing came back, not even a refusal.
    """
    name = f'{range_[0]} to {range_[1]}'
    if not silent:
        return host_findings.good(
            f'Ports {name} of {host} are reachable; no firewall drops them.'
        )
    which = (
        'None'
        if len(silent) == range_[1] - range_[0] + 1
        else f'{len(silent)} (first {silent[0]})'
    )
    verb = 'answers' if which == 'None' else 'do not answer'
    return _bad(
        f'{which} of the ports {name} of {host} {verb}: memory and disks are '
        f'sent to them. Open them in the firewall of {host} for the other '
        'compute hosts.'
    )


def _bad(text: str) -> host_findings.Finding:
    return host_findings.Finding(Level.BAD, text)


def _care(text: str) -> host_findings.Finding:
    return host_findings.Finding(Level.CARE, text)
