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

"""labctl reset: all instances and volumes gone, the services kept."""

import contextlib
import shutil
import time

from openstack import exceptions

from blocklab.lab import Lab
from blocklab.machine.errors import LabError


def reset(lab: Lab, patience: float = 120) -> None:
    """Delete all instances, what they left on the hosts, and all volumes.

    :param patience: seconds that Nova, and Cinder, is given to delete them.
    :raises LabError: one is not deleted.
    """
    lab.require_up()
    with lab.progress.step('deleting all instances'):
        _delete_servers(lab, patience)
    with lab.progress.step('cleaning the compute hosts'):
        for host in lab.layout.computes:
            _clean(lab, host.name)
    if lab.settings.choices.cinder:
        with lab.progress.step('deleting all volumes'):
            _delete_volumes(lab, patience)


def _delete_servers(lab: Lab, patience: float) -> None:
    compute = lab.cloud.compute
    deadline = time.monotonic() + patience
    while servers := list(compute.servers(all_projects=True)):
        for server in servers:
            # It may be gone by now.
            with contextlib.suppress(exceptions.NotFoundException):
                # A server in the middle of something is not deleted.
                if server.task_state not in (None, 'deleting'):
                    compute.reset_server_state(server, 'error')
                compute.delete_server(server, force=True)
        if time.monotonic() > deadline:
            raise LabError(
                f'Nova does not delete {servers[0].name}.',
                'See "labctl status"; "labctl down --wipe" and "labctl up" '
                'start from nothing.',
            )
        time.sleep(2)


def _delete_volumes(lab: Lab, patience: float) -> None:
    storage = lab.cloud.block_storage
    deadline = time.monotonic() + patience
    while volumes := list(storage.volumes(all_projects=True)):
        for volume in volumes:
            # Those of an instance that had to be forced are still in use.
            with contextlib.suppress(exceptions.NotFoundException):
                if volume.status != 'deleting':
                    storage.delete_volume(volume, force=True)
        if time.monotonic() > deadline:
            raise LabError(
                f'Cinder does not delete the volume {volumes[0].id}.',
                'See "labctl logs cinder-volume".',
            )
        time.sleep(2)


def _clean(lab: Lab, name: str) -> None:
    host = lab.host(name)
    for domain in host.run(['virsh', 'list', '--all', '--name']).split():
        if host.run(['virsh', 'domstate', domain]).strip() != 'shut off':
            host.run(['virsh', 'destroy', domain])
        host.run(['virsh', 'undefine', domain])
    for left in lab.instances_path(name).iterdir():
        # Nova's record of who uses the directory; its locks are elsewhere.
        if left.is_dir() and left.name != 'locks':
            shutil.rmtree(left)
