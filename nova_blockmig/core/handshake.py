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

"""How the two hosts of a migration tell each other what they run.

Nova's live migration data is a versioned object: attributes of ours do not
travel in it. What does, untouched by a peer with the in-tree driver, is the
name of the empty file by which the hosts find out whether they share storage.
The destination chooses it and the source receives it; the source hands the
data back, and the destination still knows the name that it chose.

The destination's mark, in version 1 of this protocol and in version 2::

    tmpk3j2_x.blockmig-1-qcow2
    tmpk3j2_x.blockmig2-k<key>-m<limit>-b<digest>-q<QEMU>.blockmig-1-qcow2

The last number is the oldest version that the destination speaks, the one
behind ``.blockmig`` the newest, and it speaks all between the two. So a
version 1 peer, which knows the end of the name only, takes it for its own
kind. The fields between are a letter and hexadecimal digits each; who does
not know a letter skips the field.

The source's mark says which version it writes to this destination:
``.blockmig-source-1``. It is 0 for a source that runs nova-blockmig and has
no version in common with the destination: it annotates nothing, and flattens
what a destination with the in-tree driver could not make.
"""

import dataclasses
import re

OLDEST = 1
NEWEST = 2
"""The versions that this package speaks: all from the one to the other."""

NOTHING_IN_COMMON = 0

_DESTINATION = re.compile(
    r'(?:\.blockmig(?P<newest>\d{1,6})(?P<fields>(?:-[a-z][0-9a-f]{1,66})*))?'
    r'\.blockmig-(?P<oldest>\d{1,6})-(?P<images_type>[a-z0-9]{1,16})$'
)
_SOURCE = re.compile(r'\.blockmig-source-(\d{1,6})$')
_KEY = re.compile(r'-k([0-9a-f]{66})(?:-|$)')
_MAX_INLINE = re.compile(r'-m([0-9a-f]{1,16})(?:-|$)')
_BASE = re.compile(r'-b([0-9a-f]{64})(?:-|$)')
_QEMU = re.compile(r'-q([0-9a-f]{1,8})(?:-|$)')


@dataclasses.dataclass(frozen=True)
class PeerInfo:
    """What the destination says of itself.

    :ivar version: the newest version of this protocol that it speaks.
    :ivar images_type: the image backend that it really uses: ``default``
        is resolved.
    :ivar oldest: the oldest version that it speaks.
    :ivar public_key: 33 bytes, of its nova-compute process; inline content
        is encrypted for it. Version 1 has none, version 2 needs it.
    :ivar max_inline_bytes: its ``[blockmig] max_inline_bytes``; None if it
        does not say.
    :ivar base_digest: of the image base in the destination's image cache, in
        hexadecimal; None if there is none, or the destination did not look.
    :ivar qemu_version: of its QEMU, as libvirt counts: 7002022 is 7.2.22;
        None if it does not say.
    """

    version: int
    images_type: str
    oldest: int = OLDEST
    public_key: bytes | None = None
    max_inline_bytes: int | None = None
    base_digest: str | None = None
    qemu_version: int | None = None

    @property
    def common_version(self) -> int:
        """The newest version that both hosts speak.

        NOTHING_IN_COMMON if there is none.
        """
        version = min(self.version, NEWEST if self.public_key else 1)
        if version < max(self.oldest, OLDEST):
            return NOTHING_IN_COMMON
        return version


def mark_destination(filename: str, mark: PeerInfo) -> str:
    """The name of the shared storage test file, with the mark on it."""
    extended = ''
    if mark.version > 1:
        extended = f'.blockmig{mark.version}'
        if mark.public_key is not None:
            extended += f'-k{mark.public_key.hex()}'
        if mark.max_inline_bytes is not None:
            extended += f'-m{mark.max_inline_bytes:x}'
        if mark.base_digest is not None:
            extended += f'-b{mark.base_digest}'
        if mark.qemu_version is not None:
            extended += f'-q{mark.qemu_version:x}'
    return f'{filename}{extended}.blockmig-{mark.oldest}-{mark.images_type}'


def read_destination(filename: str) -> PeerInfo | None:
    """The destination's mark; None if it runs the in-tree driver."""
    found = _DESTINATION.search(filename)
    if found is None:
        return None
    oldest = int(found['oldest'])
    fields = found['fields'] or ''
    key = _KEY.search(fields)
    limit = _MAX_INLINE.search(fields)
    base = _BASE.search(fields)
    qemu = _QEMU.search(fields)
    return PeerInfo(
        version=int(found['newest'] or oldest),
        images_type=found['images_type'],
        oldest=oldest,
        public_key=bytes.fromhex(key[1]) if key else None,
        max_inline_bytes=int(limit[1], 16) if limit else None,
        base_digest=base[1] if base else None,
        qemu_version=int(qemu[1], 16) if qemu else None,
    )


def mark_source(filename: str, version: int) -> str:
    """The name that the source hands back, with its own mark on it.

    :param version: the one that it writes, or NOTHING_IN_COMMON.
    """
    return f'{filename}.blockmig-source-{version}'


def read_source(filename: str) -> int | None:
    """The version that the source writes; None if it runs the in-tree driver.
    """  # fmt: skip
    found = _SOURCE.search(filename)
    return None if found is None else int(found[1])
