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

"""The fault matrix: every step of a migration, and what can go wrong there.

Data only; `blocklab.chaos.events` knows how a step is recognized, and
`blocklab.chaos.faults` how a fault is made.
"""

from collections.abc import Iterable
from dataclasses import dataclass
import fnmatch

from blocklab.machine.errors import BadInput

SOURCE = 'source'
DESTINATION = 'destination'

# Steps, in their order; the key is the first part of a cell's name.
STEPS = {
    'check': 'the destination has begun its check',
    'prepare-source': 'Nova records the migration as preparing',
    'prepare-destination': "the instance's directory is on the destination",
    'flatten': 'QEMU pulls a base into its overlay',
    'copy': 'QEMU copies a disk',
    'switch-over': 'the guest is paused on the source, at the end',
    'clean-up': 'the guest runs on the destination',
}
# Steps that only nova-blockmig has.
OURS_ONLY = frozenset({'flatten'})


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    :ivar kind: of what is done: kill, restart, cut, fill, stop, delete or
        ask.
    :ivar target: a service without its host, or what else is meant.
    :ivar side: source or destination, where the target is on a host.
    :ivar seconds: how long it lasts, where that is fixed.
    :ivar steps: the steps in which it can happen; empty: in any.
    """

    name: str
    text: str
    kind: str
    target: str
    side: str = ''
    seconds: float = 0
    steps: tuple[str, ...] = ()

    @property
    def kills_guest(self) -> bool:
        return self.target == 'qemu'


def _sides(
    name: str, text: str, kind: str, target: str, steps: tuple[str, ...] = ()
) -> tuple[Fault, Fault]:
    return (
        Fault(f'{name}-{SOURCE}', f'{text} on the source', kind, target,
              SOURCE, steps=steps),
        Fault(f'{name}-{DESTINATION}', f'{text} on the destination', kind,
              target, DESTINATION, steps=steps),
    )  # fmt: skip


# When there is a QEMU on the destination.
_WITH_QEMU = ('copy', 'switch-over', 'clean-up')
_PREPARING = ('prepare-source', 'prepare-destination', 'flatten')

_ALL = (
    *_sides('compute', 'nova-compute killed and started again', 'kill',
            'nova-compute'),
    *_sides('libvirtd', 'libvirtd killed and started again', 'kill',
            'libvirtd'),
    Fault('qemu-source', "the guest's QEMU killed on the source", 'kill',
          'qemu', SOURCE, steps=('check', *_PREPARING, 'copy', 'switch-over')),
    Fault('qemu-destination', 'QEMU killed on the destination', 'kill',
          'qemu', DESTINATION, steps=_WITH_QEMU),
    Fault('link-2s', 'the link of the source cut for 2 s', 'cut', 'link',
          seconds=2),
    Fault('link-30s', 'the link of the source cut for 30 s', 'cut', 'link',
          seconds=30),
    Fault('link-cut', 'the link of the source cut until Nova has given up, '
          '3 minutes at most', 'cut', 'link', seconds=180),
    Fault('rabbitmq', 'RabbitMQ restarted', 'restart', 'rabbitmq'),
    Fault('mariadb', 'MariaDB restarted', 'restart', 'mariadb'),
    Fault('conductor', 'nova-conductor restarted', 'restart',
          'nova-conductor'),
    *_sides('full', 'the file system of the instances filled', 'fill',
            'disk'),
    Fault('glance-down', 'Glance down until the end', 'stop', 'glance',
          steps=('check', *_PREPARING)),
    Fault('image-deleted', 'the image deleted', 'delete', 'image',
          steps=('check', *_PREPARING, 'copy')),
    Fault('abort', 'aborted by the user', 'ask', 'abort',
          steps=(*_PREPARING, 'copy', 'switch-over')),
    Fault('force-complete', 'forced to complete by the user', 'ask',
          'force-complete', steps=('copy', 'switch-over')),
)  # fmt: skip
FAULTS = {fault.name: fault for fault in _ALL}


@dataclass(frozen=True)
class Cell:
    """One fault in one step."""

    step: str
    fault: Fault

    @property
    def name(self) -> str:
        return f'{self.step}:{self.fault.name}'

    @property
    def needs_small_disk(self) -> str:
        """The side whose file system has to be one that can be filled."""
        return self.fault.side if self.fault.kind == 'fill' else ''

    @property
    def guest_may_die(self) -> bool:
        """Whether the fault ends the guest that counts.

        The destination's QEMU is that guest from the switch-over on.
        """
        if not self.fault.kills_guest:
            return False
        late = self.step in ('switch-over', 'clean-up')
        return late or self.fault.side == SOURCE


def cells() -> tuple[Cell, ...]:
    """All of the matrix, step by step."""
    return tuple(
        Cell(step, fault)
        for step in STEPS
        for fault in _ALL
        if not fault.steps or step in fault.steps
    )


def chosen(patterns: Iterable[str], driver: str) -> tuple[Cell, ...]:
    """The cells that a driver has, and that one of the patterns names.

    :param patterns: of the shell's kind, such as 'copy:link-*'; they decide
        the order. None at all means every cell.
    :param driver: 'in-tree' or 'blockmig'.
    :raises BadInput: a pattern names nothing.
    """
    known = [
        cell
        for cell in cells()
        if driver == 'blockmig' or cell.step not in OURS_ONLY
    ]
    found: dict[str, Cell] = {}
    for pattern in tuple(patterns) or ('*',):
        named = [c for c in known if fnmatch.fnmatchcase(c.name, pattern)]
        if not named:
            raise BadInput(
                f'--only: no cell of the driver {driver} is named '
                f'{pattern!r}.',
                'Names are STEP:FAULT, such as copy:link-30s; --list shows '
                'them all.',
            )
        found.update({cell.name: cell for cell in named})
    return tuple(found.values())
