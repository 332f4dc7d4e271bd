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

"""Asking everybody who keeps books of an instance."""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
import re
from typing import Any

from blocklab.chaos.judge import Observed
from blocklab.chaos.trial import Trial
from blocklab.lab import Lab
from blocklab.migration import migration

# compute/directory.py of nova-blockmig; what compute/departure.py makes is in
# the way of nothing where the guest has stayed
MARK = '.nova-blockmig-incoming'
# What Nova's check of a migration makes on the destination.
_CHECK = 'tmp'
# Nova's, which stay.
_KEPT = ('_base', 'locks', 'compute_nodes', 'lost+found', 'ballast')


def observe(trial: Trial) -> Observed:
    """What everybody says now.

    :raises openstack.exceptions.SDKException: an API does not answer.
    :raises CommandFailed: a libvirtd does not answer.
    """
    lab, uuid = trial.lab, trial.instance.id
    server = trial.instance.server
    states = {
        host.name: _domain(lab, host.name, uuid)
        for host in lab.layout.computes
    }
    return Observed(
        active=_named(states, lambda state: state in ('running', 'paused')),
        defined=_named(states, lambda state: bool(state)),
        host=str(server.compute_host),
        status=str(server.status),
        task=server.task_state,
        allocations=_allocations(lab, uuid),
        migration_allocations=tuple(
            host
            for record in migration.records(lab, uuid)
            for host in _allocations(lab, record.uuid)
        ),
        bindings=_bindings(lab, uuid),
        left={
            host.name: tuple(left(lab.instances_path(host.name), uuid))
            for host in lab.layout.computes
            if host.name != server.compute_host
        },
        marks=tuple(
            str(mark.relative_to(mark.parents[1]))
            for host in lab.layout.computes
            for mark in lab.instances_path(host.name).glob(f'*/{MARK}')
        ),
    )


def _named(states: dict[str, str], test: Any) -> tuple[str, ...]:
    return tuple(host for host, state in states.items() if test(state))


def _domain(lab: Lab, host: str, uuid: str) -> str:
    """The state of the domain; '' if the host does not have it."""
    if uuid not in lab.host(host).run(['virsh', 'list', '--all', '--uuid']):
        return ''
    return lab.host(host).run(['virsh', 'domstate', uuid]).strip()


def _allocations(lab: Lab, consumer: str) -> tuple[str, ...]:
    placement = lab.cloud.placement
    found = placement.get(f'/allocations/{consumer}').json()['allocations']
    names = {
        each['uuid']: each['name']
        for each in placement.get('/resource_providers').json()[
            'resource_providers'
        ]
    }
    return tuple(sorted(names[provider] for provider in found))


def _bindings(lab: Lab, uuid: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    network = lab.cloud.network
    for port in network.ports(device_id=uuid):
        said = network.get(f'/ports/{port.id}/bindings').json()
        for binding in said.get('bindings', ()):
            host = binding['host']
            found[host] = (*found.get(host, ()), binding['status'])
    return found


def left(instances: Path, uuid: str) -> Iterator[str]:
    """What a host without the instance still has of it.

    The file of a check is named by Python's tempfile, or by us after it.
    """
    for path in sorted(instances.iterdir()):
        if path.name.startswith(uuid):
            yield path.name
            yield from (
                f'{path.name}/{inside.name}'
                for inside in sorted(path.iterdir() if path.is_dir() else ())
            )
        elif path.name not in _KEPT and path.name.startswith(_CHECK):
            yield path.name


def remove_allocations(lab: Lab) -> None:
    """Free what Placement keeps for instances that were deleted.

    Of a migration that Nova did not roll back. The lab has no instances.
    """
    placement = lab.cloud.placement
    for each in placement.get('/resource_providers').json()[
        'resource_providers'
    ]:
        url = f'/resource_providers/{each["uuid"]}/allocations'
        for consumer in placement.get(url).json()['allocations']:
            placement.delete(f'/allocations/{consumer}')


def remove_checks(lab: Lab) -> None:
    """Remove the files of checks: what is found later is a later one's."""
    for host in lab.layout.computes:
        for path in lab.instances_path(host.name).glob(f'{_CHECK}*'):
            path.unlink()


def _nova(lab: Lab) -> str:
    packages = lab.release.venv.glob('lib/python3*/site-packages')
    found = metadata.distributions(
        name='nova', path=[str(path) for path in packages]
    )
    return next(iter(found)).version


def versions(lab: Lab) -> dict[str, str]:
    """Of Nova, libvirt and QEMU on the first compute host."""
    host = lab.host(lab.layout.computes[0].name)
    said = host.run(['virsh', 'version'])

    def of(pattern: str) -> str:
        match = re.search(pattern + r'\D*([\d.]+)', said)
        return match[1] if match else ''

    return {
        'nova': _nova(lab),
        'libvirt': of('Using library: libvirt'),
        'qemu': of('Running hypervisor: QEMU'),
    }
