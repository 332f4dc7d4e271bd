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

"""What a lab needs before it can be brought up: packages, environments."""

from pathlib import Path

from blocklab.machine import debian_nova
from blocklab.machine import packages
from blocklab.machine import releases
from blocklab.machine import roots
from blocklab.machine import venvs
from blocklab.machine.layout import Layout
from blocklab.machine.progress import Progress
from blocklab.machine.releases import Release
from blocklab.services.settings import Choices


def install(layout: Layout, choices: Choices, progress: Progress) -> None:
    """Install what is missing for what was chosen.

    :raises LabError: it cannot be installed.
    """
    layout.logs.mkdir(parents=True, exist_ok=True)
    log = layout.logs / 'install.log'
    release = releases.named(choices.release)
    chosen = set(choices.systems.values())
    with venvs.locked('machine'):
        if wanted := packages.missing():
            with progress.step(
                f'{len(wanted)} Debian packages', announce=True
            ):
                packages.install(wanted, log)
        roots.prepare(chosen, log)
    for system in sorted(chosen):
        # Not in the way of labs that do not need it: it takes long.
        with venvs.locked(f'root-{system}'):
            if not roots.is_complete(system):
                with progress.step(f'Debian {system}', announce=True):
                    roots.install(system, log)
            if _wants_ours(choices, system) and roots.has_nova(system):
                _install_package(system, progress, log)
    ours = 'blockmig' in choices.drivers.values()
    environments = [
        release.on(system)
        for system in (None, *sorted(chosen))
        if not roots.has_nova(system)
    ]
    for each in environments:
        with venvs.locked(release.venv.name):
            _install_release(each, progress, log, ours=ours)
    with venvs.locked(release.venv.name):
        if choices.cinder and not venvs.has(release, 'cinder'):
            with progress.step(f'Cinder of OpenStack {release.name}'):
                venvs.install_extra(release, 'cinder', log)


def _install_release(
    release: Release, progress: Progress, log: Path, *, ours: bool
) -> None:
    where = f' on Debian {release.system}' if release.system else ''
    if not venvs.is_complete(release):
        what = f'OpenStack {release.name}{where}'
        with progress.step(what, announce=True):
            venvs.install_services(release, log)
    if ours and not venvs.ours_is_current(release):
        with progress.step(f'nova-blockmig from this checkout{where}'):
            venvs.install_ours(release, log)


def _wants_ours(choices: Choices, system: str) -> bool:
    """Whether a host with that root is to run our driver."""
    return any(
        choices.drivers[host] == 'blockmig'
        for host, each in choices.systems.items()
        if each == system
    )


def _install_package(system: str, progress: Progress, log: Path) -> None:
    if not debian_nova.ours_is_current(system):
        what = f'nova-blockmig from this checkout as a package for {system}'
        with progress.step(what, announce=True):
            debian_nova.install_ours(system, log)
