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

"""Processes of a lab that its supervisor does not know of any more.

QEMU guests outlive libvirtd by design, epmd outlives RabbitMQ, and after a
run that was cut short anything may be left. All live in the lab's
namespaces, and that is how they are found.
"""

from collections.abc import Iterable
import contextlib
import os
from pathlib import Path
import signal
import time

import psutil

from blocklab.machine.layout import HostLayout
from blocklab.machine.layout import Layout


def end(pids: Iterable[int], patience: float) -> None:
    """End processes: ask first, then insist after `patience` seconds."""
    found = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _signal(found, signal.SIGTERM)
    alive = _left(found, patience)
    _signal(alive, signal.SIGKILL)
    _left(alive, 10)


def _left(
    processes: list[psutil.Process], patience: float
) -> list[psutil.Process]:
    """Those of the processes that still run after that many seconds."""
    deadline = time.monotonic() + patience
    while alive := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return alive


def _runs(process: psutil.Process) -> bool:
    # In a container whose process 1 collects nobody a process that has
    # ended is there for ever.
    try:
        ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
    return process.is_running() and not ended


def end_all(layout: Layout) -> None:
    """End everything that runs in the lab's namespaces."""
    deadline = time.monotonic() + 20
    while found := inside(layout):
        end(found, patience=2)
        if time.monotonic() > deadline:
            return


def inside(layout: Layout) -> list[int]:
    """The IDs of the processes in any namespace of the lab."""
    ours = {
        number
        for host in layout.hosts
        for number in _namespaces(host)
    }  # fmt: skip
    return _in(ours)


def on(host: HostLayout) -> list[int]:
    """The IDs of the processes in any namespace of a host."""
    return _in(_namespaces(host))


def group(number: int) -> list[int]:
    """The IDs of the processes in a process group; its leader may be gone."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == number:
                found.append(pid)
    return found


def guests(host: HostLayout) -> list[int]:
    """The IDs of a host's QEMU processes."""
    found = []
    for pid in on(host):
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).name().startswith('qemu-system'):
                found.append(pid)
    return found


def _in(ours: set[int]) -> list[int]:
    return [
        pid
        for pid in psutil.pids()
        if pid != os.getpid() and _of(pid) & ours
    ]  # fmt: skip


def memory(pid: int) -> int:
    """Bytes of memory of a process and its children.

    It is PSS: what several share is divided between them.
    """
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(each.memory_full_info().pss for each in family)
    except psutil.NoSuchProcess:
        return 0


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _namespaces(host: HostLayout) -> set[int]:
    # The file system of namespaces gives each an inode number of its own:
    # namespaces(7).
    files = (
        host.network_namespace,
        host.mount_namespace,
        host.uts_namespace,
    )
    nsfs = os.stat('/proc/self/ns/net').st_dev
    return {
        status.st_ino
        for file in files
        if file.exists() and (status := file.stat()).st_dev == nsfs
    }


def _of(pid: int) -> set[int]:
    numbers = set()
    for kind in ('net', 'mnt', 'uts'):
        try:
            numbers.add(Path(f'/proc/{pid}/ns/{kind}').stat().st_ino)
        except OSError:
            continue
    return numbers
