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

"""Making a step last until something has happened to it."""

from collections.abc import Iterator
import contextlib

from blocklab.chaos import events
from blocklab.chaos import matrix
from blocklab.chaos.trial import Trial
from blocklab.machine.errors import CommandFailed
from blocklab.machine.host import Host

# A MiB a second: a service that is killed is back before the copy ends.
RATE = '8mbit'
_QDISC = ('tc', 'qdisc')


class Brake:
    """Slows a copy or a flattening of one trial.

    The copy by the link of the source, the flattening by QEMU's own limit.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._host = trial.host(matrix.SOURCE)

    @contextlib.contextmanager
    def link(self) -> Iterator[None]:
        """The link is slow until `release`, or the end."""
        self._host.run(
            [*_QDISC, 'replace', 'dev', 'eth0', 'root', 'tbf', 'rate', RATE,
             'burst', '256kb', 'latency', '400ms']
        )  # fmt: skip
        try:
            yield
        finally:
            self.release()

    def flattening(self, mib_per_second: int) -> None:
        """Limit the flattening that is going on; 0 means no limit."""
        for target in events.targets(self._trial):
            job = events.block_job(self._trial, target)
            if job is not None and job.kind == 'Block Pull':
                with contextlib.suppress(CommandFailed):
                    self._host.run(
                        ['virsh', 'blockjob', self._trial.domain, target,
                         str(mib_per_second)]
                    )  # fmt: skip

    def release(self) -> None:
        """Let everything go on as fast as it can."""
        unbrake(self._host)
        self.flattening(0)


def unbrake(host: Host) -> None:
    """The host's link is as fast as it was."""
    with contextlib.suppress(CommandFailed):
        host.run([*_QDISC, 'delete', 'dev', 'eth0', 'root'])
