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

"""What the source says of a disk inside Nova's disk info.

``get_instance_disk_info`` is a JSON list with a dict a disk. It goes
untouched from the source's driver to the destination's, and an in-tree
destination ignores keys that it does not know. Ours is :data:`KEY`, in the
version of :mod:`~nova_blockmig.core.handshake` on which the hosts agreed.
"""

import base64
import binascii
from collections.abc import Mapping
import dataclasses
import re
from typing import Any
from typing import TypeGuard

from nova_blockmig.core import content
from nova_blockmig.core import handshake
from nova_blockmig.core import model

KEY = 'nova_blockmig'

NEEDS_BLOCKMIG = 'needs-nova-blockmig'
"""Stands for the size of an inline disk in Nova's own field.

Where a destination with the in-tree driver would make a blank disk,
``qemu-img create`` refuses this one, before anything is copied. It shows in
the error.
"""

_KEY_HEX = re.compile(r'[0-9a-f]{66}')
_MAX_BYTES = 2**63 - 1

# What each version calls the transfer methods of disks that arrive.
_NAMES: dict[int, tuple[str, dict[model.TransferMethod, str]]] = {
    1: (
        'travel',
        {
            model.TransferMethod.COPY: 'copy',
            model.TransferMethod.FETCH: 'fetch',
            model.TransferMethod.INLINE: 'carry',
        },
    ),
    2: (
        'method',
        {
            model.TransferMethod.COPY: 'copy',
            model.TransferMethod.FETCH: 'fetch',
            model.TransferMethod.INLINE: 'inline',
        },
    ),
}


class BadAnnotation(Exception):
    """The annotation of a disk is malformed. Never holds content."""


@dataclasses.dataclass(frozen=True)
class Sealed:
    """Inline content as only the destination's nova-compute can read it.

    :ivar recipient: the public key that it was sealed for.
    :ivar sender: the public key of the pair that sealed it.
    :ivar data: the ciphertext.
    """

    recipient: bytes
    sender: bytes
    data: bytes = dataclasses.field(repr=False)

    def to_json(self) -> dict[str, str]:
        """A dict of strings."""
        return {
            'recipient': self.recipient.hex(),
            'sender': self.sender.hex(),
            'data': base64.b64encode(self.data).decode('ascii'),
        }

    @classmethod
    def from_json(cls, raw: object) -> 'Sealed':
        """The reverse of :meth:`to_json`.

        :raises BadAnnotation: raw is anything else.
        """
        if not isinstance(raw, dict):
            raise BadAnnotation('its content is not a JSON object')
        recipient = _key(raw.get('recipient'))
        sender = _key(raw.get('sender'))
        data = raw.get('data')
        if not isinstance(data, str):
            raise BadAnnotation('its content is not a string')
        try:
            decoded = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise BadAnnotation('its content is not base64') from None
        return cls(recipient=recipient, sender=sender, data=decoded)


@dataclasses.dataclass(frozen=True)
class DiskAnnotation:
    """How the destination comes by one disk.

    :ivar method: COPY, FETCH or INLINE (flattened disks are copied).
    :ivar digest: content digest of the base on the source, if the
        destination is to compare it.
    :ivar packed: the content that travels, for INLINE in version 1.
    :ivar sealed: the same, encrypted, in version 2.
    :ivar virtual_bytes: the size of an inline disk, in version 2; Nova's own
        field holds NEEDS_BLOCKMIG.
    """

    method: model.TransferMethod
    digest: str | None = None
    packed: content.Packed | None = None
    sealed: Sealed | None = None
    virtual_bytes: int | None = None

    def to_json(self, version: int) -> dict[str, Any]:
        """A dict of plain values for the disk info.

        :param version: the one that the destination reads.
        """
        key, names = _NAMES[version]
        raw: dict[str, Any] = {'version': version, key: names[self.method]}
        if self.digest is not None:
            raw['digest'] = self.digest
        if self.packed is not None:
            raw['content'] = self.packed.to_json()
        if self.sealed is not None:
            raw['sealed'] = self.sealed.to_json()
        if self.virtual_bytes is not None:
            raw['virtual_bytes'] = self.virtual_bytes
        return raw


def read(info: Mapping[str, Any]) -> DiskAnnotation | None:
    """The annotation in one disk's info; None if there is none.

    :raises BadAnnotation: it is there, but not as we write it.
    """
    raw = info.get(KEY)
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise BadAnnotation('not a JSON object')
    version = raw.get('version')
    # 'True == 1' in Python, and so in what JSON made of 'true'.
    if type(version) is not int or version not in _NAMES:
        raise BadAnnotation(
            f'its version is {version!r:.20}, but this host supports versions '
            f'{handshake.OLDEST} to {handshake.NEWEST}'
        )
    method = _method(raw, version)
    digest = raw.get('digest')
    if digest is not None and not isinstance(digest, str):
        raise BadAnnotation('its digest is not a string')
    if method is not model.TransferMethod.INLINE:
        return DiskAnnotation(method=method, digest=digest)
    if version == 1:
        try:
            packed = content.Packed.from_json(raw.get('content'))
        except content.BadPayload as exc:
            raise BadAnnotation(str(exc)) from exc
        return DiskAnnotation(method=method, packed=packed)
    size = raw.get('virtual_bytes')
    if not is_size(size):
        raise BadAnnotation('its virtual size is invalid')
    return DiskAnnotation(
        method=method,
        sealed=Sealed.from_json(raw.get('sealed')),
        virtual_bytes=size,
    )


def is_size(value: object) -> TypeGuard[int]:
    """Whether a value out of JSON is a size in bytes that a disk can have."""
    return type(value) is int and 0 <= value <= _MAX_BYTES


def _key(value: object) -> bytes:
    if not isinstance(value, str) or not _KEY_HEX.fullmatch(value):
        raise BadAnnotation('its content has an invalid key')
    return bytes.fromhex(value)


def _method(raw: Mapping[str, Any], version: int) -> model.TransferMethod:
    key, names = _NAMES[version]
    for method, name in names.items():
        if raw.get(key) == name:
            return method
    raise BadAnnotation('it does not specify how the disk is transferred')
