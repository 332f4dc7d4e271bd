# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What of the file of a disk holds data, by qemu-img.

A process of its own adds it up: qemu-img writes a line for each stretch, and
a large disk has millions.
"""

import dataclasses
import json
import subprocess
import sys

from oslo_concurrency import processutils

from nova_blockmig.core import extents

# As Nova limits qemu-img: seconds, and bytes of memory.
_LIMITS = processutils.ProcessLimits(cpu_time=30, address_space=2**30)


def look(path: str, format_: str) -> extents.Extents | None:
    """What of a disk is there; its guest may run.

    :param format_: of the file; it is not guessed from its content.
    :returns: None if qemu-img cannot tell, or not soon enough.
    """
    try:
        said, _ = processutils.execute(
            sys.executable, '-m', __name__, path, format_, prlimit=_LIMITS
        )
        return extents.Extents(**json.loads(said))
    except (
        OSError,
        ValueError,
        TypeError,
        processutils.ProcessExecutionError,
    ):
        return None


def main(path: str, format_: str) -> int:
    """Write the sum of one disk to standard output."""
    command = [
        'qemu-img', 'map', '--force-share', '--output=json', '-f', format_,
        path,
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the types
        found = extents.add_up(process.stdout)
    if process.returncode == 0:
        print(json.dumps(dataclasses.asdict(found)))
    return process.returncode


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
