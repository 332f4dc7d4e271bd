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

"""Known defects that a migration would meet, by what its hosts say.

The source's are those of its copy, the destination's those of an arrival.
"""

from collections.abc import Collection
from collections.abc import Mapping
import dataclasses

from nova_blockmig.core import dry_run
from nova_blockmig.core import known_bad
from nova_blockmig.core import model

When = known_bad.When
_FLAGS = {
    'VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES': When.SYNCHRONOUS_WRITES,
    # Nova adds it for live_migration_with_native_tls.
    'VIR_MIGRATE_TLS': When.TLS,
}


@dataclasses.dataclass(frozen=True)
class Defect:
    """A known defect of what runs on a host.

    :ivar host: the compute host.
    """

    host: str
    entry: known_bad.KnownBad
    version: known_bad.Version

    def sentence(self) -> str:
        """What is wrong, where, and what to do."""
        return f'{self.host}: {self.entry.sentence(self.version)}'


def of_source(source: dry_run.Source, *, running: bool) -> tuple[Defect, ...]:
    """Those that the copy of an instance would meet.

    One that a paused guest meets is refused by the source itself.

    :param running: whether the guest writes meanwhile.
    """
    conditions = {_FLAGS[flag] for flag in source.flags if flag in _FLAGS}
    if running:
        conditions.add(When.ALWAYS)
        if any(
            disk.method == model.TransferMethod.FLATTEN
            for disk in source.disks
        ):
            conditions.add(When.FLATTEN)
    return _found(source.host, source.versions, conditions)


def of_destination(there: dry_run.Destination) -> tuple[Defect, ...]:
    """Those that an arrival would meet."""
    return _found(there.host, there.versions, {When.INCOMING})


def _found(
    host: str, said: Mapping[str, int], conditions: Collection[When]
) -> tuple[Defect, ...]:
    versions = {
        product: known_bad.version(said[product])
        for product in known_bad.Product
        if product in said
    }
    return tuple(
        Defect(host, entry, versions[entry.product])
        for entry in known_bad.found(versions, conditions)
    )
