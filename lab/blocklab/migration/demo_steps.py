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

"""The two moves of the demo."""

from dataclasses import dataclass
from dataclasses import field
from importlib import metadata

from blocklab.guest import disks
from blocklab.guest.console import Summary
from blocklab.guest.disks import DiskSize
from blocklab.guest.disks import DiskState
from blocklab.lab import Lab
from blocklab.machine import roots
from blocklab.migration import demo_output
from blocklab.migration import migration
from blocklab.migration import report
from blocklab.migration import scenario
from blocklab.migration import watch
from blocklab.migration.instance import Instance
from blocklab.migration.migration import Migration
from blocklab.migration.report import GuestView
from blocklab.migration.report import Move
from blocklab.migration.report import Report
from blocklab.migration.watch import Job
from blocklab.migration.watch import Watch

NAME = 'med'
FLAVOR = 'm1.medium'
SOURCE = 'server2'
DESTINATION = 'server-01'


@dataclass(frozen=True)
class _Evidence:
    """What is known of the guest after a migration.

    :ivar reason: why it did not complete; else the others are known.
    """

    before: dict[str, DiskState] = field(default_factory=dict)
    after: dict[str, DiskState] = field(default_factory=dict)
    sizes: dict[str, DiskSize] = field(default_factory=dict)
    views: dict[str, GuestView] = field(default_factory=dict)
    runs: bool = False
    job: Job | None = None
    reason: str = ''


def demonstrate(lab: Lab) -> Report:
    """Boot the instance, move it there and back, and say what happened.

    The instance stays where it is at the end, for whoever wants to look.

    :raises LabError: the instance does not come up, or a
        migration does not end.
    """
    old = scenario.find(lab, NAME)
    if old is not None:
        old.delete()
    flavor = scenario.Flavor().ensure(lab, FLAVOR)
    with lab.progress.step(f'booting {NAME} on {SOURCE}'):
        med = scenario.boot(lab, NAME, flavor, host=SOURCE)
    with lab.progress.step('the guest writes to all of its disks'):
        said = scenario.writing(med)
    demo_output.server(med.server, flavor)
    moves = [_running(lab, med, said)]
    if moves[0].status == 'completed':
        moves.append(_paused(lab, med, said))
    result = Report(
        instance=NAME,
        uuid=med.id,
        driver=_driver(lab),
        release=lab.release.name,
        nova_version=_nova_version(lab),
        moves=tuple(moves),
    )
    demo_output.conclusion(result)
    return result


def _running(lab: Lab, med: Instance, said: Summary) -> Move:
    """Move 1: the guest runs and writes, and is its own witness.

    Only what nobody writes to, the config drive, can be hashed as well.
    """
    title = 'Move 1: the guest runs and writes'
    before = med.hash(read_only=True)
    ended, watching = _migrate(lab, med, title, SOURCE, DESTINATION)
    if not ended.completed:
        evidence = _Evidence(reason=migration.reason(lab, med.id))
        return _move(title, ended, watching, evidence)
    job = watch.job(med.host, med.id, completed=True)
    after = med.hash(read_only=True)
    sizes = disks.sizes(med.host, med.id)
    views, runs = _hear(lab, med, said)
    evidence = _Evidence(before, after, sizes, views, runs, job)
    return _move(title, ended, watching, evidence)


def _paused(lab: Lab, med: Instance, said: Summary) -> Move:
    """Move 2: the guest is paused, and its disks are hashed on both sides."""
    title = 'Move 2: back again, the guest is paused'
    with lab.progress.step(f'hashing the paused guest on {DESTINATION}'):
        before = med.pause_and_hash()
    ended, watching = _migrate(lab, med, title, DESTINATION, SOURCE)
    if not ended.completed:
        evidence = _Evidence(reason=migration.reason(lab, med.id))
        return _move(title, ended, watching, evidence)
    job = watch.job(med.host, med.id, completed=True)
    with lab.progress.step(f'hashing the paused guest on {SOURCE}'):
        after = med.hash()
    sizes = disks.sizes(med.host, med.id)
    med.unpause()
    views, runs = _hear(lab, med, said)
    evidence = _Evidence(before, after, sizes, views, runs, job)
    return _move(title, ended, watching, evidence)


def _migrate(
    lab: Lab, med: Instance, title: str, source: str, destination: str
) -> tuple[Migration, Watch]:
    watching = Watch(lab, med, source, demo_output.sample)
    words = ('nova', 'live-migration', '--block-migrate', NAME, destination)
    demo_output.command(title, words)
    ended = med.migrate(destination, watch=watching.look, name=NAME)
    return ended, watching


def _hear(
    lab: Lab, med: Instance, said: Summary
) -> tuple[dict[str, GuestView], bool]:
    """What the guest says of its disks, and whether it has run on."""
    with lab.progress.step('the guest reads everything again'):
        now = med.wait_for_checks(said)
    views = report.guest_views(now, disks.devices(med.host, med.id))
    return views, now.boot is None and now.tick > said.tick


def _move(
    title: str, ended: Migration, watching: Watch, evidence: _Evidence
) -> Move:
    job = evidence.job
    move = Move(
        title=title,
        command=' '.join(ended.command),
        source=ended.source,
        destination=ended.destination,
        status=ended.status,
        seconds=ended.seconds,
        memory_bytes=job.memory_processed if job else None,
        disk_bytes=watching.most_disk_bytes(),
        downtime_ms=job.downtime_ms if job else None,
        guest_runs=evidence.runs,
        statuses=watching.statuses(),
        connections=watching.all_connections(),
        cpu_percent=watching.mean_cpu(),
        disks=report.rows(
            evidence.before, evidence.after, evidence.sizes, evidence.views
        ),
        reason=evidence.reason,
    )
    demo_output.move(move)
    return move


def _driver(lab: Lab) -> str:
    """'in-tree' or 'blockmig', or which host has which."""
    drivers = lab.settings.choices.drivers
    if len(set(drivers.values())) == 1:
        return next(iter(drivers.values()))
    return ', '.join(f'{host}={name}' for host, name in drivers.items())


def _nova_version(lab: Lab) -> str:
    """The version from PyPI, and Debian's where a host has that."""
    packages = lab.release.venv.glob('lib/python3*/site-packages')
    found = metadata.distributions(
        name='nova', path=[str(path) for path in packages]
    )
    versions = [next(iter(found)).version]
    for host, system in lab.settings.choices.systems.items():
        if roots.has_nova(system):
            ask = ['dpkg-query', '-W', '-f', '${Version}', 'nova-compute']
            versions.append(f'{host}={lab.host(host).run(ask)}')
    return ', '.join(versions)
