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

"""What check says and what the migration after it does, in random cases.

On demand, for it takes a quarter of an hour::

    tools/run-lab-tests BIN --long

BLOCKMIG_AGREEMENT_SEED is the seed of another run, and
BLOCKMIG_AGREEMENT_CASES how many there are; both are in the output.
"""

import collections
from concurrent import futures
import dataclasses
import json
import os
import random
import re
import sys
from typing import Any

from blocklab.guest import glance
from blocklab.machine import errors
from nova_blockmig.core import migration_record
from nova_blockmig.core import past_migrations
from nova_blockmig.tests.lab import base
from nova_blockmig.tests.lab import test_resource_check as small

CASES = int(os.environ.get('BLOCKMIG_AGREEMENT_CASES', '20'))
SEED = int(os.environ.get('BLOCKMIG_AGREEMENT_SEED', '20261128'))
MIB = 1 << 20
# MiB/s: libvirt's job is looked at twice a second, and what is quicker than
# that has no figures.
SLOW = {'libvirt': {'live_migration_bandwidth': '16'}}
SETTINGS = {
    base.SOURCE: SLOW,
    base.DESTINATION: {**small.RESERVE[base.DESTINATION], **SLOW},
}
TOLERATED = 0.1
# What the hosts say to each other and to the control plane meanwhile.
TALK = 4 * MIB
FITS, DOES_NOT_FIT, CANNOT = 'fits', 'does not fit', 'cannot be transferred'
# So that twenty cases that happen to be alike do not pass.
SEEN = 4
LEAST = {FITS: 5, DOES_NOT_FIT: 3, CANNOT: 2}


@dataclasses.dataclass(frozen=True)
class Case:
    """What was met.

    :ivar ratio: bytes of disks that check said libvirt would count, of those
        that it counted.
    :ivar said: bytes of disks that check said would travel, on the wire.
    :ivar sent: bytes that the source's network card sent, less the memory.
    """

    kind: str
    agreed: bool
    ratio: float | None = None
    said: int = 0
    sent: int = 0

    @property
    def off(self) -> bool:
        """Whether the bytes on the wire were not what was said."""
        return abs(self.said - self.sent) > max(TOLERATED * self.sent, TALK)


class AgreementTest(small.SmallDestinationTestCase):
    """Two paused guests go there and back, or are refused."""

    def setUp(self) -> None:
        super().setUp()
        self.chance = random.Random(SEED)  # noqa: S311 - no secret
        self.moved: set[str] = set()

    def boot_both(self) -> list[Any]:
        """One has its image in Glance, and the image of the other is gone."""
        small.FLAVOR.ensure(self.lab)
        images = self.lab.cloud.image
        lost = glance.create(
            self.lab.cloud, 'agreement', self.lab.guest_image.disk
        )
        self.addCleanup(images.delete_image, lost.id)
        with futures.ThreadPoolExecutor(2) as pool:
            pair = list(
                pool.map(
                    lambda image: self.boot(small.FLAVOR, image=image),
                    (glance.NAME, lost.id),
                )
            )
        images.delete_image(lost.id)
        for guest in pair:
            guest.pause()
        return pair

    def room(self, instance: Any) -> str:
        """Leave a random room around what the disks need."""
        virtual, allocated = self.need(instance)
        self.there.leave_all()
        kind = self.chance.choice(('much', 'just', 'short', 'allocated only'))
        if kind == 'just':
            self.there.leave(small.RESERVED + virtual + 300 * MIB)
        elif kind == 'short':
            short = self.chance.randrange(1, 500) * MIB
            self.there.leave(small.RESERVED + virtual - short)
        elif kind == 'allocated only':
            self.there.leave(small.RESERVED + allocated + 300 * MIB)
        # Or check and the migration ask two different records.
        self.look_again()
        return kind

    def obstacle(self, instance: Any) -> str:
        """What may keep a guest from leaving, or nothing."""
        moved = instance.id in self.moved
        if moved and self.chance.random() < 0.15:
            # As it arrived: an older QEMU does not take it along again.
            return 'paused since it came'
        if moved:
            instance.unpause()
            instance.pause()
            self.moved.discard(instance.id)
        for disk in ('disk', 'disk.eph0'):
            self.write(instance, disk, self.chance.randrange(1, 64) * MIB)
        if self.chance.random() < 0.25:
            self.snapshot(instance, 'blockdev-snapshot-internal-sync')
            return 'a snapshot'
        return 'nothing'

    def snapshot(self, instance: Any, command: str) -> None:
        """Make or delete one inside the ephemeral disk."""
        path = f'{base.INSTANCES}/{instance.id}/disk.eph0'
        nodes = self.qmp(instance, 'query-named-block-nodes', flat=True)
        (node,) = (
            node['node-name']
            for node in nodes
            if node['file'] == path and node['drv'] == 'qcow2'
        )
        self.qmp(instance, command, device=node, name='obstacle')

    def qmp(self, instance: Any, command: str, **arguments: Any) -> Any:
        """Ask QEMU, past Nova and libvirt."""
        said = instance.host.run([
            'virsh', 'qemu-monitor-command', instance.id,
            json.dumps({'execute': command, 'arguments': arguments}),
        ])  # fmt: skip
        return json.loads(said)['return']

    def one(self, number: int, instance: Any) -> Case:
        """One case: what check says, and what comes of it."""
        source = instance.host_name
        destination = self.other(source)
        in_the_way = self.obstacle(instance)
        room = 'enough'
        over_commit = False
        if destination == base.DESTINATION:
            room = self.room(instance)
            over_commit = self.chance.random() < 0.3
        code, asked = self.ask(
            instance, destination,
            *(('--disk-over-commit',) if over_commit else ()),
        )  # fmt: skip
        self.assertEqual(0 if asked['result'] == 'fits' else 1, code)
        position, before = self.log_size(source), self.sent_by(source)
        moved, ended = self.migrate(instance, destination, over_commit)
        if in_the_way == 'a snapshot' and not moved:
            self.snapshot(instance, 'blockdev-snapshot-delete-internal-sync')
        case = Case(_kind(asked), moved is (asked['result'] == 'fits'))
        if moved:
            self.moved.add(instance.id)
            counted = self.counted(source, position)
            case = dataclasses.replace(
                case,
                ratio=counted and asked['disk_total_bytes'] / counted,
                said=asked['travel_bytes']
                - sum(disk['inline_bytes'] for disk in asked['disks']),
                sent=self.sent_by(source) - before - self.memory(instance),
            )
        _tell(
            f'case {number}: to {destination}, room: {room}, '
            f'over-commit: {over_commit}, in the way: {in_the_way}; check '
            f'says {asked["result"]} ({asked["reason"]}); '
            f'{_methods(asked)}; the migration: {ended}; '
            f'{"agreed" if case.agreed else "NOT AGREED"}'
            + (f', counted {case.ratio:.3f}' if case.ratio else '')
            + (
                f', on the wire {case.said} said and {case.sent} sent'
                if moved
                else ''
            )
        )
        return case

    def migrate(
        self, instance: Any, destination: str, over_commit: bool
    ) -> tuple[bool, str]:
        """Whether it is there afterwards, and how it ended."""
        options = small.OVER_COMMIT if over_commit else {}
        try:
            ended = instance.migrate(destination, **options).status
        except errors.CommandFailed:
            # Older requests wait for the check.
            ended = 'refused'
        moved = instance.host_name == destination
        self.assertEqual(moved, ended == 'completed')
        return moved, ended

    def sent_by(self, host: str) -> int:
        """Bytes that have left a host."""
        said = self.lab.host(host).run(
            ['cat', '/sys/class/net/eth0/statistics/tx_bytes']
        )
        return int(said)

    def memory(self, instance: Any) -> int:
        """Bytes of memory that its last migration sent."""
        said = instance.host.run(
            ['virsh', 'domjobinfo', '--completed', '--rawstats', instance.id]
        )
        found = re.search(r'^memory_processed: (\d+)$', said, re.MULTILINE)
        assert found is not None, said
        return int(found[1])

    def counted(self, source: str, position: int) -> int | None:
        """Bytes of disks that libvirt counted.

        None if a copy was over before Nova looked at it.
        """
        (record,) = filter(
            None,
            map(
                migration_record.read,
                self.logged(source, position).splitlines(),
            ),
        )
        if any(
            disk.copied_bytes is None
            for disk in record.disks
            if disk.name != 'disk.config'
        ):
            return None
        return past_migrations.copied_bytes(record)

    def test_check_and_migration_agree(self) -> None:
        self.there = self.small('blockmig', SETTINGS)
        pair = self.boot_both()
        cases = [
            self.one(number, self.chance.choice(pair))
            for number in range(1, CASES + 1)
        ]
        agreed = sum(case.agreed for case in cases)
        ratios = sorted(case.ratio for case in cases if case.ratio)
        met = collections.Counter(case.kind for case in cases)
        _tell(
            f'seed {SEED}: {agreed} of {CASES} agreed; {dict(met)}; counted '
            + ' '.join(f'{ratio:.3f}' for ratio in ratios)
            + '; on the wire '
            + ' '.join(
                f'{case.said / case.sent:.3f}' for case in cases if case.sent
            )
        )
        self.assertEqual(CASES, agreed)
        self.assertEqual([], [r for r in ratios if abs(r - 1) > TOLERATED])
        self.assertGreaterEqual(len(ratios), SEEN)
        self.assertEqual([], [case for case in cases if case.off])
        for kind, least in LEAST.items():
            self.assertGreaterEqual(met[kind], least, met)


def _kind(asked: dict[str, Any]) -> str:
    if asked['result'] == 'fits':
        return FITS
    return CANNOT if all(r['fits'] for r in asked['rows']) else DOES_NOT_FIT


def _methods(asked: dict[str, Any]) -> str:
    return ' '.join(f'{d["name"]}={d["method"]}' for d in asked['disks'])


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
