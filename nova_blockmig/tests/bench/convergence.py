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

"""A busy guest with a large disk: when may it be switched over?

Nova raises the downtime that it allows in steps, and counts the steps by the
gigabytes of memory and disks, the holes of a raw disk included. The guest
writes to its memory faster than the link carries it, so that it is switched
over only when the downtime that is allowed is long enough for the rest.
"""

from collections.abc import Iterator
import re
import time

from blocklab import lab as labs
from blocklab.guest import disks
from blocklab.migration import instance as instances
from blocklab.migration import migration
from blocklab.migration import scenario
from nova_blockmig.tests.bench import meter
from nova_blockmig.tests.bench import moving
from nova_blockmig.tests.bench import rows

MIB = 2**20
# MiB/s; what the guest keeps dirty takes a quarter of a second and more.
BANDWIDTH = 8
DIRTY_KIB = 1536
# Seconds for each step and GiB; the default of 75 makes all of it fifteen
# times as long.
DELAY = 5
PATIENCE = {'normal': 300, 'large': 1800}
SETTINGS = {
    'libvirt': {
        'images_type': 'raw',
        'live_migration_bandwidth': str(BANDWIDTH),
        'live_migration_downtime_delay': str(DELAY),
    },
    'blockmig': {'disk_over_commit': 'actual'},
}
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=100, ephemeral_gib=0, swap_mib=0
)
_STEP = re.compile(r'Increasing downtime to (\d+) ms')


def run(options: rows.Options) -> Iterator[rows.Case]:
    assert options.lab
    patience = options.choose(**PATIENCE)
    for name, driver in (('nova-blockmig', 'blockmig'), ('Nova', 'in-tree')):
        lab = moving.use(options.lab, driver, SETTINGS)
        guest = moving.boot(lab, 'bench-busy', FLAVOR)
        try:
            moving.run(
                guest,
                f'(yes | dd of=/dev/null bs={DIRTY_KIB}k iflag=fullblock) '
                '>/dev/null 2>&1 </dev/null &',
            )
            yield {'name': name, **_case(lab, guest, patience)}
        finally:
            guest.delete()
    moving.use(options.lab, 'blockmig')


def _case(
    lab: labs.Lab, guest: instances.Instance, patience: float
) -> rows.Case:
    server = guest.server
    source = server.compute_host
    destination = moving.other(source)
    log = lab.log_path(f'nova-compute@{source}')
    position = log.stat().st_size
    before = disks.sizes(lab.host(source), guest.id)
    with meter.Meter(lab, server.instance_name).running() as spent:
        lab.cloud.compute.live_migrate_server(
            server, host=destination, block_migration=True
        )
        status = _wait(lab, guest, patience)
    text = log.read_bytes()[position:].decode(errors='replace')
    steps = [int(step) for step in _STEP.findall(text)]
    case = {
        'end': status,
        'seconds': spent.seconds,
        'allowed_ms': max(steps, default=None),
        'steps': len(steps),
        'sent_bytes': spent.sent_bytes,
        'virtual_bytes': sum(size.virtual_bytes for size in before.values()),
        'source_bytes': sum(size.allocated_bytes for size in before.values()),
    }
    if status == 'completed':
        after = disks.sizes(lab.host(destination), guest.id)
        case['arrived_bytes'] = sum(
            size.allocated_bytes for size in after.values()
        )
    return case


def _wait(lab: labs.Lab, guest: instances.Instance, patience: float) -> str:
    """How it ended; what has not ended after so long is aborted."""
    began = time.monotonic()
    aborted = False
    while True:
        # Made by the conductor, some time after the request.
        record = next(iter(migration.records(lab, guest.id)), None)
        status = record.status if record else 'not there'
        if status in migration.FINAL:
            return f'aborted after {patience} s' if aborted else str(status)
        if time.monotonic() - began > patience and not aborted:
            if record is None or status != 'running':
                raise RuntimeError(f'the migration is {status}')
            lab.client(
                'nova', 'live-migration-abort', guest.id, str(record.id)
            )
            aborted = True
        time.sleep(1)


ROW = rows.Row(
    name='convergence',
    title='A busy guest with 100 GiB of sparse raw disk',
    run=lambda options: list(run(options)),
    needs_lab=True,
    columns=(
        rows.Column('Driver', 'name'),
        rows.Column('End', 'end'),
        rows.Column('Seconds', 'seconds', '.0f'),
        rows.Column('Downtime allowed, ms', 'allowed_ms', '.0f'),
        rows.Column('Steps', 'steps'),
        rows.Column('Disk, GiB', 'virtual_bytes', '.0f', 2**30),
        rows.Column('Allocated, source, MiB', 'source_bytes', '.1f', MIB),
        rows.Column('Destination, MiB', 'arrived_bytes', '.1f', MIB),
        rows.Column('Sent, MiB', 'sent_bytes', '.0f', MIB),
    ),
)
