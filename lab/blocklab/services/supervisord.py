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

"""supervisord as the lab runs it, with the options of supervisord(1)."""

import os
import select

from supervisor import poller
from supervisor import supervisord

from blocklab.services import subreaper


class Poller(poller.PollPoller):  # type: ignore[misc] # it has no types
    """A poller that drops what has nothing but errors.

    A file descriptor that was closed and is another's at once stays
    registered. If that is the pipe to a service that has closed its standard
    input, poll(2) comes back at once from then on, and supervisord would
    take a whole processor.
    """

    def _ignore_invalid(self, fd: int, eventmask: int) -> bool:
        if eventmask == select.POLLERR:
            eventmask = select.POLLNVAL
        return bool(super()._ignore_invalid(fd, eventmask))


def main() -> None:
    """Be supervisord."""
    subreaper.become()
    # It was for finding this module.
    os.environ.pop('PYTHONPATH', None)
    poller.Poller = Poller
    supervisord.main()


if __name__ == '__main__':
    main()
