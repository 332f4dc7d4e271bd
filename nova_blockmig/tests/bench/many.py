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

"""All guests of a host at once, as "nova host-evacuate-live" asks for it.

Every migration is asked for at the beginning; how many of them go on at the
same time is Nova's max_concurrent_live_migrations.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import time

from blocklab import lab as labs
from blocklab.migration import instance as instances
from blocklab.migration import migration
from blocklab.migration import scenario
from nova_blockmig.tests.bench import moving
from nova_blockmig.tests.bench import rows

GUESTS = {'normal': 6, 'large': 20}
AT_A_TIME = (1, 2, 4)
DRIVERS = {'nova': 'in-tree', 'ours': 'blockmig'}
FLAVOR = scenario.Flavor(
    memory_mib=128, disk_gib=1, ephemeral_gib=0, swap_mib=0
)
_PATIENCE = 900


def run(options: rows.Options) -> Iterator[rows.Case]:
    assert options.lab
    count = options.choose(**GUESTS)
    lab = moving.use(options.lab, 'blockmig')
    with contextlib.ExitStack() as stack:
        guests = []
        for number in range(count):
            guests.append(moving.boot(lab, f'bench-many-{number}', FLAVOR))
            stack.callback(guests[-1].delete)
        for at_a_time in AT_A_TIME:
            case: rows.Case = {'guests': count, 'at_a_time': at_a_time}
            for name, driver in DRIVERS.items():
                lab = moving.use(
                    options.lab,
                    driver,
                    {
                        'DEFAULT': {
                            'max_concurrent_live_migrations': str(at_a_time)
                        }
                    },
                )
                case[f'{name}_seconds'] = _all(lab, guests)
            case['ratio'] = case['ours_seconds'] / case['nova_seconds']
            yield case
    moving.use(options.lab, 'blockmig')


def _all(lab: labs.Lab, guests: Sequence[instances.Instance]) -> float:
    """Seconds until the last of them is on the other host.

    The first of them goes there and back before, as a nova-compute that was
    just started takes longer for it.
    """
    for _ in range(2):
        moving.by_nova(lab, guests[0])
    known = {
        guest.id: {each.uuid for each in migration.records(lab, guest.id)}
        for guest in guests
    }
    destination = moving.other(guests[0].host_name)
    began = time.monotonic()
    for guest in guests:
        lab.cloud.compute.live_migrate_server(
            guest.id, host=destination, block_migration=True
        )
    for guest in guests:
        status = moving.end(lab, guest, known[guest.id], _PATIENCE)
        if status != 'completed':
            raise RuntimeError(f'a migration ended {status}')
    seconds = time.monotonic() - began
    for guest in guests:
        guest.wait_for_host(destination)
    return seconds


ROW = rows.Row(
    name='many',
    title='All guests of a host at once',
    run=lambda options: list(run(options)),
    needs_lab=True,
    columns=(
        rows.Column('Guests', 'guests'),
        rows.Column('At a time', 'at_a_time'),
        rows.Column('Nova, s', 'nova_seconds', '.1f'),
        rows.Column('nova-blockmig, s', 'ours_seconds', '.1f'),
        rows.Column('Ratio', 'ratio', '.2f'),
    ),
)
