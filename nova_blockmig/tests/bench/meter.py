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
"""What the lab spends while something goes on: bytes and processor time."""

from collections.abc import Iterator
import contextlib
import dataclasses
import threading
import time

import psutil

from blocklab import lab as labs

# Where the compute hosts are linked; see lab/blocklab/machine/network.py.
INTERFACE = 'eth0'
_PAUSE = 0.2


@dataclasses.dataclass
class Spent:
    """What was spent.

    :ivar sent_bytes: by the two compute hosts together, whatever for: disks,
        memory, messages.
    :ivar qemu_seconds: processor time of the guest's QEMU on both hosts, with
        what the guest itself computes.
    :ivar nova_seconds: of nova-compute on both hosts, with its children.
    """

    seconds: float = 0.0
    sent_bytes: int = 0
    qemu_seconds: float = 0.0
    nova_seconds: float = 0.0


class Meter:
    """Looks at one guest and at both hosts."""

    def __init__(self, lab: labs.Lab, domain: str) -> None:
        """:param domain: the guest's name in libvirt."""
        self._lab = lab
        self._domain = domain
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._done = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[Spent]:
        """What it yields is filled in at the end."""
        spent = Spent()
        sent, nova = self._sent(), self._nova()
        self._look(first=True)
        thread = threading.Thread(target=self._watch)
        began = time.monotonic()
        thread.start()
        try:
            yield spent
        finally:
            spent.seconds = time.monotonic() - began
            self._done.set()
            thread.join()
            self._look()
            spent.sent_bytes = self._sent() - sent
            spent.nova_seconds = self._nova() - nova
            spent.qemu_seconds = sum(
                last - self._first.get(pid, 0.0)
                for pid, last in self._last.items()
            )

    def _watch(self) -> None:
        while not self._done.wait(_PAUSE):
            self._look()

    def _look(self, first: bool = False) -> None:
        for host in self._lab.layout.computes:
            file = host.run / 'libvirt' / 'qemu' / f'{self._domain}.pid'
            try:
                pid = int(file.read_text())
                times = psutil.Process(pid).cpu_times()
            except (OSError, ValueError, psutil.NoSuchProcess):
                continue
            self._last[pid] = times.user + times.system
            if first:
                self._first[pid] = self._last[pid]

    def _sent(self) -> int:
        return sum(
            int(
                self._lab.host(host.name).run(
                    ['cat', f'/sys/class/net/{INTERFACE}/statistics/tx_bytes']
                )
            )
            for host in self._lab.layout.computes
        )

    def _nova(self) -> float:
        total = 0.0
        for name, pid in self._lab.supervisor.processes().items():
            if name.startswith('nova-compute@') and pid is not None:
                for each in _family(pid):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        total += sum(each.cpu_times()[:4])
        return total


def _family(pid: int) -> list[psutil.Process]:
    """A process and its children, privsep's daemons among them."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
