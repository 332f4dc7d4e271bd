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
untouched from the source's driver to the destination's, and a stock
destination ignores keys that it does not know. Ours is :data:`KEY`.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

from nova_blockmig.core import content
from nova_blockmig.core import model

KEY = 'nova_blockmig'
VERSION = content.VERSION


class BadAnnotation(Exception):
    """The note of a disk is malformed. Never holds content."""


@dataclasses.dataclass(frozen=True)
class DiskAnnotation:
    """How the destination comes by one disk.

    :ivar method: copy, fetch or carry (flattened disks are copied).
    :ivar digest: content digest of the base on the source, if the
        destination is to compare it.
    :ivar packed: the content that travels, for carry.
    """

    method: model.TransferMethod
    digest: str | None = None
    packed: content.Packed | None = None

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values for the disk info."""
        note: dict[str, Any] = {'version': VERSION, 'method': self.method}
        if self.digest is not None:
            note['digest'] = self.digest
        if self.packed is not None:
            note['content'] = self.packed.to_json()
        return note


def read(info: Mapping[str, Any]) -> DiskAnnotation | None:
    """The note in one disk's info; None if its source runs the in-tree driver.

    :raises BadAnnotation: it is there, but not as we write it.
    """
    raw = info.get(KEY)
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise BadAnnotation('it is no JSON object')
    if raw.get('version') != VERSION:
        raise BadAnnotation(
            f'its version is {raw.get("version")!r}, this host reads {VERSION}'
        )
    try:
        method = model.TransferMethod(str(raw.get('method')))
    except ValueError:
        raise BadAnnotation('it does not say how the disk travels') from None
    digest = raw.get('digest')
    if digest is not None and not isinstance(digest, str):
        raise BadAnnotation('its digest is no string')
    packed = None
    if method is model.TransferMethod.INLINE:
        try:
            packed = content.Packed.from_json(raw.get('content'))
        except content.BadPayload as exc:
            raise BadAnnotation(str(exc)) from exc
    elif method not in (model.TransferMethod.COPY, model.TransferMethod.FETCH):
        raise BadAnnotation(f'a disk cannot arrive by {method.value}')
    return DiskAnnotation(method=method, digest=digest, packed=packed)
