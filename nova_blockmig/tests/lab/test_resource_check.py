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

"""The resource check on a destination whose file system is really small.

The file system of instances_path has 6.5 GiB, of which 3 GiB are reserved;
disk_allocation_ratio lets the scheduler choose the host all the same, so
what decides is the check. What the in-tree driver does there is asserted as
today's fact.
"""

from concurrent import futures
import pathlib
import string
from typing import Any

import fixtures

from blocklab.guest import disks
from blocklab.machine import errors
from blocklab.migration import migration
from blocklab.migration import scenario
from nova_blockmig.tests.lab import base

MIB = 1 << 20
GIB = 1 << 30

FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=1, swap_mib=64
)
SIZE = 6872 * MIB
# Nova's free_disk_gb is 3 then; the in-tree driver takes the reserve off
# again.
RESERVED = 3072 * MIB
RESERVE = {
    base.DESTINATION: {
        'DEFAULT': {
            'reserved_host_disk_mb': str(RESERVED // MIB),
            'disk_allocation_ratio': '10.0',
        }
    }
}
BALLAST = f'{base.INSTANCES}/ballast'
# The last microversion whose requests say disk_over_commit.
OVER_COMMIT: dict[str, Any] = {
    'options': ('--disk-over-commit',),
    'microversion': '2.24',
}


class SmallFileSystem(fixtures.Fixture):
    """A file system of its own on a host's instances_path.

    It is mounted in the host's mount namespace only.
    """

    def __init__(self, host: Any, directory: pathlib.Path) -> None:
        super().__init__()
        self._host = host
        self._directory = directory

    def _setUp(self) -> None:  # noqa: N802
        scratch = self.useFixture(fixtures.TempDir(str(self._directory)))
        image = pathlib.Path(scratch.path) / 'small'
        with image.open('wb') as file:
            file.truncate(SIZE)
        self._host.run(['mkfs.ext4', '-q', '-m', '0', image])
        self._host.run(['mount', '-o', 'loop', image, base.INSTANCES])
        # Lazily: nova-compute has a lock file open.
        self.addCleanup(self._host.run, ['umount', '--lazy', base.INSTANCES])

    def free(self) -> int:
        """Bytes that can still be written."""
        said = self._host.run(
            ['stat', '--file-system', '--format=%a %S', base.INSTANCES]
        )
        blocks, size = map(int, said.split())
        return blocks * size

    def leave(self, free: int) -> None:
        """Take up room until so many bytes are free."""
        self._host.run(['rm', '-f', BALLAST])
        length = self.free() - free
        self._host.run(['fallocate', f'--length={length}', BALLAST])
        self._host.run(['sync', '--file-system', base.INSTANCES])

    def leave_all(self) -> None:
        """Undo `leave`."""
        self._host.run(['rm', '-f', BALLAST])


class SmallDestinationTestCase(base.LabTestCase):
    def small(
        self, driver: str, extra: base.Extra = RESERVE
    ) -> SmallFileSystem:
        """The drivers of both hosts, and a small destination."""
        service = f'nova-compute@{base.DESTINATION}'
        file_system = SmallFileSystem(
            self.lab.host(base.DESTINATION), self.lab.layout.state
        )
        self.useFixture(file_system)
        before = self.lab.supervisor.process(service)
        self.use(driver, driver, extra)
        if before == self.lab.supervisor.process(service):
            # Its record is of the file system that is underneath.
            self.look_again()
        return file_system

    def look_again(self) -> None:
        """Let the destination's record be of what there is now.

        nova-compute looks at its file system when it starts, else once a
        minute: what was full at that moment stays so in the record.
        """
        self.lab.restart([f'nova-compute@{base.DESTINATION}'])

    def need(self, instance: Any) -> tuple[int, int]:
        """Virtual and allocated bytes of the disks of an instance."""
        sizes = self.sizes(instance).values()
        return (
            sum(disk.virtual_bytes for disk in sizes),
            sum(disk.allocated_bytes for disk in sizes),
        )

    def write(self, instance: Any, disk: str, length: int) -> None:
        """Write to the end of a disk, as the guest would, but faster."""
        (device,) = (
            device
            for device in disks.devices(instance.host, instance.id)
            if device.name == disk
        )
        number = string.ascii_lowercase.index(device.target[-1])
        start = self.sizes(instance)[disk].virtual_bytes - length
        for command in (f'write -P 1 {start} {length}', 'flush'):
            self.monitor(
                instance,
                f'qemu-io -d /machine/peripheral/virtio-disk{number}/'
                f'virtio-backend "{command}"',
            )

    def assert_stayed(self, instance: Any, state: str) -> None:
        """It is where it was, as it was."""
        self.assert_on_source(instance, state)
        self.assertIn(instance.server.status, ('ACTIVE', 'PAUSED'))

    def assert_on_source(self, instance: Any, state: str) -> None:
        """Its domain is."""
        self.assertEqual(base.SOURCE, instance.host_name)
        said = instance.host.run(['virsh', 'domstate', instance.id])
        self.assertEqual(state, said.strip())


class ResourceCheckTest(SmallDestinationTestCase):
    """This driver on both hosts."""

    def test_what_fits_moves_and_what_does_not_stays(self) -> None:
        self.there = self.small('blockmig')
        FLAVOR.ensure(self.lab)
        with futures.ThreadPoolExecutor(2) as pool:
            pair = list(pool.map(lambda _: self.boot(FLAVOR), range(2)))
        self.refused_while_it_runs(pair[0])
        for instance in pair:
            instance.pause()
        late = self.one_of_two_fits(pair)
        self.over_commit_is_what_the_request_says(late)

    def refused_while_it_runs(self, instance: Any) -> None:
        """By virtual sizes, since nova.conf does not say otherwise."""
        virtual, allocated = self.need(instance)
        self.there.leave(RESERVED + virtual - MIB)
        self.assertGreater(self.there.free() - RESERVED, allocated)
        with self.nothing_left_on(base.DESTINATION):
            ended = instance.migrate(base.DESTINATION)
        self.assertEqual('error', ended.status)
        self.assert_stayed(instance, 'running')
        self.assertIn(
            'disk (virtual sizes): needs 2.06 GiB', self.event(instance)
        )
        self.there.leave_all()
        self.look_again()

    def event(self, instance: Any) -> str:
        """What an administrator reads of the latest live migration."""
        actions = self.lab.cloud.compute.server_actions(instance.id)
        request = next(
            action.request_id
            for action in actions
            if action.action == 'live-migration'
        )
        return self.lab.client(
            'openstack', '--os-compute-api-version=2.84', 'server', 'event',
            'show', '--fit-width', '--format=value', instance.id, request,
        )  # fmt: skip

    def one_of_two_fits(self, pair: list[Any]) -> Any:
        """Both are let go at the same moment; the one that stayed."""
        before = {instance.id: instance.hash() for instance in pair}
        with futures.ThreadPoolExecutor(2) as pool:
            begun = list(
                pool.map(
                    lambda instance: migration.begin(
                        self.lab, instance.id, base.DESTINATION
                    ),
                    pair,
                )
            )
        ended = [migration.wait(self.lab, one, 400) for one in begun]
        self.assertEqual(
            ['completed', 'error'], sorted(one.status for one in ended)
        )
        first, late = pair if ended[0].completed else pair[::-1]
        self.assertEqual(base.DESTINATION, first.host_name)
        self.assert_same(before[first.id], first.hash())
        self.assert_stayed(late, 'paused')
        self.assertIn('disk (virtual sizes): needs', self.faults(late))
        return late

    def over_commit_is_what_the_request_says(self, late: Any) -> None:
        """By allocated sizes: refused where they do not fit, else moved."""
        before = late.hash()
        virtual, allocated = self.need(late)
        self.there.leave(RESERVED + allocated - MIB)
        with self.nothing_left_on(base.DESTINATION):
            refusal = self.assertRaises(
                errors.CommandFailed,
                late.migrate,
                base.DESTINATION,
                **OVER_COMMIT,
            )
        self.assertIn('disk (allocated sizes): needs', str(refusal))
        self.assert_stayed(late, 'paused')
        self.there.leave(RESERVED + virtual - MIB)
        self.move(late, **OVER_COMMIT)
        self.assert_same(before, late.hash())


class InTreeTest(SmallDestinationTestCase):
    """Nova's own driver on both hosts."""

    def test_refuses_what_fits_and_takes_what_does_not(self) -> None:
        self.there = self.small('in-tree')
        instance = self.boot(FLAVOR)
        instance.pause()
        self.refused_although_there_is_room(instance)
        self.taken_although_there_is_none(instance)

    def refused_although_there_is_room(self, instance: Any) -> None:
        """The reserve is taken off twice."""
        _, allocated = self.need(instance)
        self.assertGreater(self.there.free() - RESERVED, 3 * GIB)
        self.assertLess(allocated, GIB)
        refusal = self.assertRaises(
            errors.CommandFailed,
            instance.migrate,
            base.DESTINATION,
            **OVER_COMMIT,
        )
        self.assertIn('available on destination host:0 <', str(refusal))
        self.assert_stayed(instance, 'paused')

    def taken_although_there_is_none(self, instance: Any) -> None:
        """Nothing is checked from microversion 2.25 on."""
        self.write(instance, 'disk.eph0', 256 * MIB)
        self.there.leave(192 * MIB)
        log = self.lab.log_path(f'libvirtd@{base.SOURCE}')
        position = log.stat().st_size
        ended = instance.migrate(base.DESTINATION)
        self.assertFalse(ended.completed)
        self.assertIn(
            'migration of disk vdb failed: No space left on device',
            log.read_bytes()[position:].decode(errors='replace'),
        )
        # From 2025.2 on Nova also puts such an instance into ERROR.
        self.assert_on_source(instance, 'paused')
