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

"""Being the parent of every orphan among one's descendants.

QEMU makes itself an orphan, and libvirt waits until one that it ended is
gone. Process 1 of a container is often a mere "sleep", which collects
nobody: the ended QEMU stays as a zombie, and libvirt never answers again.
"""

import ctypes

# prctl(2)
_PR_SET_CHILD_SUBREAPER = 36


def become() -> None:
    """Mark this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl failed')
