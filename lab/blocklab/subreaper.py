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

"""Run a command as the parent of every orphan among its descendants.

    python3 -m blocklab.subreaper COMMAND ...

QEMU makes itself an orphan, and libvirt waits until one that it ended is
gone. Process 1 of a container is often a mere "sleep", which collects
nobody: the ended QEMU stays as a zombie, and libvirt never answers again.
"""

import ctypes
import os
import sys

# prctl(2)
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Mark this process, and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl failed')
    # It was for finding this module.
    os.environ.pop('PYTHONPATH', None)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606


if __name__ == '__main__':
    main()
