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

"""Whether a QEMU knows a guest's machine type.

A guest keeps its machine type while it migrates. QEMU gives each of its
releases new ones, pc-i440fx-10.0 and pc-q35-10.0, and an older QEMU has not
heard of them.
"""

import re

Version = tuple[int, int]

# Those of upstream; a distribution's own, such as pc-i440fx-noble, tell
# nothing of the version.
_VERSIONED = re.compile(r'pc-(?:i440fx|q35)-(\d+)\.(\d+)$')


def needs(machine: str | None) -> Version | None:
    """The first QEMU, major and minor, that has a machine type.

    None if its name does not say.
    """
    found = _VERSIONED.match(machine or '')
    return (int(found[1]), int(found[2])) if found else None


def is_too_new(machine: str | None, qemu_version: int | None) -> bool:
    """Whether a guest cannot run there.

    :param qemu_version: as libvirt counts, 7002022 is 7.2.22; None if it is
        not known, and then nothing is said against it.
    """
    needed = needs(machine)
    if needed is None or qemu_version is None:
        return False
    there = qemu_version // 1_000_000, qemu_version // 1_000 % 1_000
    return needed > there
