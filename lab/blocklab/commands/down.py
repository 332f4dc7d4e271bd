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

"""Taking a lab down: no process, namespace, mount or link of it is left."""

import shutil

from blocklab.machine import network
from blocklab.machine.errors import LabError
from blocklab.machine.layout import Layout
from blocklab.machine.progress import Progress
from blocklab.services import processes
from blocklab.services.supervisor import Supervisor


def take_down(layout: Layout, progress: Progress, *, wipe: bool) -> None:
    """Take a lab down, whatever state it is in.

    :param wipe: also forget everything that it kept on disk.
    :raises LabError: something is still there.
    """
    if not layout.state.exists():
        progress.say(f'There is no lab {layout.name!r} on this machine.')
        return
    with progress.step(f'taking the lab {layout.name!r} down'):
        remove_what_runs(layout, Supervisor(layout))
        if wipe:
            shutil.rmtree(layout.state)


def remove_what_runs(layout: Layout, supervisor: Supervisor) -> None:
    """End the lab's processes and remove its namespaces and mounts.

    :raises LabError: a process does not end.
    """
    # The supervisor first, that it starts nothing anew; it tells its
    # services to stop on its way out, but not in any order, and waits for
    # each. All of them at once is quicker.
    if (pid := supervisor.pid()) is not None:
        processes.end([pid, *processes.inside(layout)], patience=8)
    processes.end_all(layout)
    if left := processes.inside(layout):
        raise LabError(
            f'Processes {left} of the lab do not end.',
            'See what they wait for with "ps -o pid,stat,wchan,args", and '
            'give the command again.',
        )
    network.remove(layout)
    for host in layout.hosts:
        # Sockets and process IDs: meaningless from now on.
        shutil.rmtree(host.run, ignore_errors=True)
    for file in (layout.supervisor_socket, layout.supervisor_pid):
        file.unlink(missing_ok=True)
