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

"""What the source's check leaves for the migration, and for Nova."""

import dataclasses

import nova.conf

from nova_blockmig.compute import images_type
from nova_blockmig.compute import inspection
from nova_blockmig.compute import nova_types
from nova_blockmig.core import errors
from nova_blockmig.core import handshake
from nova_blockmig.core import plan

CONF = nova.conf.CONF


@dataclasses.dataclass(frozen=True)
class Agreement:
    """What the check learned, for the migration that follows.

    :ivar facts: what the plans were made of.
    :ivar peer: the destination's mark; None if it runs the in-tree driver.
    """

    facts: plan.Facts
    peer: handshake.PeerInfo | None = None


@dataclasses.dataclass(frozen=True)
class Checked:
    """What came of the source's check.

    :ivar inspection: the plan of each disk, for the resource check.
    :ivar destination: the driver of the destination.
    :ivar filename: of the shared storage test file, as it goes back to the
        destination: with this host's mark if the destination reads it.
    """

    inspection: inspection.Inspection
    destination: plan.Peer
    filename: str


def peer(data: nova_types.MigrateData) -> handshake.PeerInfo | None:
    """What the destination says of itself; None for the in-tree driver."""
    peer = handshake.read_destination(data.filename)
    theirs = peer.images_type if peer else images_type.of_in_tree(data)
    ours = images_type.effective()
    if theirs is not None and theirs != ours:
        raise errors.ImagesTypeDiffers(CONF.host, ours, theirs)
    return peer


def marked(filename: str, peer: handshake.PeerInfo | None) -> str:
    if peer is None:
        return filename
    return handshake.mark_source(filename, peer.common_version)


def driver_of(peer: handshake.PeerInfo | None) -> plan.Peer:
    """For what driver the disks are planned.

    A destination that speaks no version that we speak gets what the in-tree
    driver would get.
    """
    if peer is None or peer.common_version == handshake.NOTHING_IN_COMMON:
        return plan.Peer.IN_TREE
    return plan.Peer.BLOCKMIG
