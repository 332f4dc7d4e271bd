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

"""The story of an upgrade: hosts are emptied, renewed and filled again.

Guests live on both hosts. The host that is emptied first gets the newer
Debian, with its libvirt and QEMU, and its guests back; then the other one.
What moves the guests is what an operator has, `nova-blockmig drain` and
`restore`.

Some guests run and write all the time and are their own witnesses; others
are paused while they move, so that every disk can be hashed on both sides.
"""

from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterable
import dataclasses
from dataclasses import dataclass
import enum
import os
import re
import shlex
import subprocess
from typing import Any

from blocklab.guest import disks
from blocklab.guest import glance
from blocklab.guest.console import Summary
from blocklab.guest.disks import DiskState
from blocklab.lab import Lab
from blocklab.migration import report
from blocklab.migration import scenario
from blocklab.migration import upgrade_report
from blocklab.migration.instance import Instance
from blocklab.migration.upgrade_report import Arrival
from blocklab.migration.upgrade_report import Step
from blocklab.migration.upgrade_report import Story
from blocklab.migration.upgrade_report import Versions

OLD = 'bookworm'
NEW = 'trixie'
FLAVOR = scenario.Flavor(
    memory_mib=160, disk_gib=1, ephemeral_gib=2, swap_mib=64
)

# Gives a host without guests that Debian release.
Renew = Callable[[str, str], None]


class Way(enum.Enum):
    """How a guest is moved."""

    RUNNING = 'runs and writes all the time'
    PAUSED = 'is paused while it moves'
    # QEMU before 10.0 does not move one twice that was not resumed between.
    ALWAYS_PAUSED = 'is paused until the end'


@dataclass
class Guest:
    """A guest of the story.

    :ivar said: what it said before the first move.
    :ivar boot: the random id of its boot.
    """

    instance: Instance
    name: str
    way: Way
    said: Summary = dataclasses.field(default_factory=Summary)
    boot: str = ''


@dataclass(frozen=True)
class _Before:
    """A guest just before it is moved."""

    machine: str
    life: tuple[str, float] | None
    disks: dict[str, DiskState]


# host -> name of a guest -> how it is moved
CAST = {
    'server2': {'upgrade-runs': Way.RUNNING, 'upgrade-pauses': Way.PAUSED},
    'server-01': {'upgrade-rests': Way.ALWAYS_PAUSED},
}


def remove(lab: Lab) -> None:
    """Delete the guests of a story that was told before."""
    for name in (name for names in CAST.values() for name in names):
        if old := scenario.find(lab, name):
            old.delete()


def tell(
    lab: Lab,
    renew: Renew,
    hosts: Iterable[str] = tuple(CAST),
    ways: Container[Way] = tuple(Way),
    say: Callable[[str], None] = print,
) -> Story:
    """Upgrade hosts, one after the other, and look at every guest.

    :param lab: up, with hosts of the older Debian and without these guests.
    :param hosts: those to upgrade; the guests of other hosts are not made.
    :param ways: guests that are moved in other ways are not made either.
    :param say: called with lines for people.
    :raises LabError: a guest does not come up.
    """
    hosts = tuple(hosts)
    with lab.progress.step('booting the guests, which write to all disks'):
        cast = {host: _guests(lab, host, ways) for host in hosts}
    steps: list[Step] = []
    for host in hosts:
        other = next(each for each in CAST if each != host)
        steps.append(_move(lab, 'drain', host, other, cast[host], say))
        if not steps[-1].sound:
            break
        renew(host, NEW)
        steps.append(_move(lab, 'restore', other, host, cast[host], say))
        if not steps[-1].sound:
            break
    everybody = [guest for host in hosts for guest in cast[host]]
    ends = [clause for guest in everybody for clause in _end(guest)]
    story = Story(
        tuple(steps), tuple(guest.name for guest in everybody), tuple(ends)
    )
    _conclude(story, say)
    return story


def _guests(lab: Lab, host: str, ways: Container[Way]) -> list[Guest]:
    guests = [
        Guest(
            scenario.boot(
                lab,
                name,
                FLAVOR,
                host=host,
                timeout=400,
                block_device_mapping=_devices(lab),
            ),
            name,
            way,
        )
        for name, way in CAST[host].items()
        if way in ways
    ]
    for guest in guests:
        guest.said = scenario.writing(guest.instance, timeout=400)
        guest.boot, _ = _life(guest.instance)
        if guest.way is Way.ALWAYS_PAUSED:
            guest.instance.pause()
    return guests


def _devices(lab: Lab) -> list[dict[str, Any]]:
    """A root disk, two kinds of ephemeral disks, and swap."""
    local = {'destination_type': 'local', 'delete_on_termination': True}
    blank = {**local, 'source_type': 'blank', 'boot_index': -1}
    image = lab.cloud.image.find_image(glance.NAME)
    return [
        {**local, 'source_type': 'image', 'boot_index': 0, 'uuid': image.id},
        {**blank, 'guest_format': 'ext4', 'volume_size': 1},
        {**blank, 'guest_format': 'xfs', 'volume_size': 1},
        {**blank, 'guest_format': 'swap', 'volume_size': FLAVOR.swap_mib},
    ]


def _life(instance: Instance) -> tuple[str, float]:
    """The id of the guest's boot, and seconds since then."""
    said = instance.run('cat /proc/sys/kernel/random/boot_id /proc/uptime')
    boot, uptime, *_ = said.output.split()
    return boot, float(uptime)


def _machine(instance: Instance) -> str:
    xml = instance.host.run(['virsh', 'dumpxml', instance.id])
    found = re.search(r"machine='([^']+)'", xml)
    return found[1] if found else '?'


def versions(lab: Lab, name: str) -> Versions:
    """What a host runs."""
    host = lab.host(name)
    libvirt = host.run(['libvirtd', '--version'])
    qemu = host.run(['qemu-system-x86_64', '--version'])
    return Versions(
        host.run(['cat', '/etc/debian_version']).strip(),
        libvirt.split()[-1],
        qemu.split('version ')[1].split()[0],
    )


def _move(
    lab: Lab,
    verb: str,
    source: str,
    destination: str,
    guests: list[Guest],
    say: Callable[[str], None],
) -> Step:
    """Empty a host, or fill it again."""
    host = source if verb == 'drain' else destination
    record = lab.layout.state / f'{host}.drain.json'
    if verb == 'drain':
        record.unlink(missing_ok=True)  # of another story
    before = [_before(guest) for guest in guests]
    kinds = versions(lab, source), versions(lab, destination)
    title = f'{source} ({kinds[0]}) -> {destination} ({kinds[1]})'
    words = ('nova-blockmig', verb, host)
    say(f'\n{title}\n\n$ {shlex.join(words)}')
    options = ('--yes', f'--record={record}', '--format=value')
    subprocess.run(
        lab.client_command(*words, *options, '--column=name'),
        env=os.environ | lab.credentials() | {'PYTHONWARNINGS': 'ignore'},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,  # what became of it, the guests tell
    )
    arrivals = tuple(
        _arrival(guest, source, was)
        for guest, was in zip(guests, before, strict=True)
    )
    step = Step(title, shlex.join(words), source, destination, kinds, arrivals)
    say(f'\n{upgrade_report.table(step)}')
    for line in upgrade_report.uptimes(step):
        say(line)
    return step


def _before(guest: Guest) -> _Before:
    instance = guest.instance
    life = None
    if guest.way is not Way.ALWAYS_PAUSED:
        life = _life(instance)
    if guest.way is Way.PAUSED:
        instance.pause()
    running = guest.way is Way.RUNNING
    return _Before(_machine(instance), life, instance.hash(read_only=running))


def _arrival(guest: Guest, source: str, was: _Before) -> Arrival:
    instance = guest.instance
    after = instance.hash(read_only=guest.way is Way.RUNNING)
    sizes = disks.sizes(instance.host, instance.id)
    machine = (was.machine, _machine(instance))
    status = str(instance.server.status)
    life, views = None, {}
    if guest.way is Way.PAUSED:
        instance.unpause()
    if guest.way is not Way.ALWAYS_PAUSED:
        seen = instance.wait_for_checks(guest.said, 400)
        known = disks.devices(instance.host, instance.id)
        views = report.guest_views(seen, known)
        life = _life(instance)
    return Arrival(
        guest.name,
        source,
        instance.host_name,
        status,
        machine,
        (was.life[1], life[1]) if was.life and life else None,
        (was.life[0], life[0]) if was.life and life else None,
        report.rows(was.disks, after, sizes, views),
    )


def _end(guest: Guest) -> Iterable[str]:
    """What a guest finds wrong after all moves."""
    guest.instance.unpause()
    seen = guest.instance.wait_for_checks(guest.said, 400)
    if not seen.sound:
        yield f'{guest.name} reads something else than it wrote'
    if _life(guest.instance)[0] != guest.boot:
        yield f'{guest.name} was started anew'


def _conclude(story: Story, say: Callable[[str], None]) -> None:
    if story.sound:
        count = sum(len(step.arrivals) for step in story.steps)
        said = (
            f'{count} migrations, every disk is identical at each step, no '
            'guest was started anew.'
        )
    else:
        said = 'NOT as it was: ' + '; '.join(story.wrong()) + '.'
    say(f'\nUpgraded: {said}')
