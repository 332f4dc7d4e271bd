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

"""How the two hosts of a migration tell each other that they run this driver.

Nova's live migration data is a versioned object: attributes of ours do not
travel in it. What does, untouched by a peer with the in-tree driver, is the
name of the empty file by which the hosts find out whether they share storage.
The destination chooses it and the source receives it; the source hands the
data back, and the destination still knows the name that it chose.
"""

import dataclasses
import re

_DESTINATION = re.compile(r'\.blockmig-(\d{1,6})-([a-z0-9]{1,16})$')
_SOURCE = re.compile(r'\.blockmig-source-(\d{1,6})$')


@dataclasses.dataclass(frozen=True)
class PeerInfo:
    """What the destination says of itself.

    :ivar version: the version of the disk info payload that it reads.
    :ivar images_type: the image backend that it really uses: ``default``
        is resolved.
    """

    version: int
    images_type: str


def mark_destination(filename: str, mark: PeerInfo) -> str:
    """The name of the shared storage test file, with the mark on it."""
    return f'{filename}.blockmig-{mark.version}-{mark.images_type}'


def read_destination(filename: str) -> PeerInfo | None:
    """The destination's mark; None if it runs the in-tree driver."""
    found = _DESTINATION.search(filename)
    if found is None:
        return None
    return PeerInfo(version=int(found[1]), images_type=found[2])


def mark_source(filename: str, version: int) -> str:
    """The name that the source hands back, with its own mark on it."""
    return f'{filename}.blockmig-source-{version}'


def read_source(filename: str) -> int | None:
    """The source's payload version; None if it runs the in-tree driver."""
    found = _SOURCE.search(filename)
    return None if found is None else int(found[1])
