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

"""Why a migration is refused: one class a reason.

Each carries its data; the sentence is derived from it and says what to do.
``compute`` turns them into the exceptions that Nova acts on.
"""

from collections.abc import Sequence

from nova_blockmig.core import model
from nova_blockmig.core import verdict


class Refused(Exception):
    """Base of every refusal. ``str()`` is the sentence for the operator."""


class DisksCannotMigrate(Refused):
    """Some disks can be neither copied, fetched, sent inline nor flattened."""

    def __init__(
        self, source: str, disk_plans: Sequence[model.DiskPlan]
    ) -> None:
        self.disk_plans = tuple(disk_plans)
        disks = '; '.join(
            f'{r.disk.name}: {r.reason}' for r in self.disk_plans
        )
        super().__init__(
            f'these disks cannot be block migrated from {source} to the '
            f'destination: {disks}'
        )


class DoesNotFit(Refused):
    """The instance does not fit on the destination."""

    def __init__(self, outcome: verdict.Verdict) -> None:
        self.outcome = outcome
        super().__init__(outcome.sentence())


class CheckFailed(Refused):
    """Something that a check needed did not work."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason
        super().__init__(
            f'the check could not be completed: {type(reason).__name__}: '
            f'{reason}; see the log of nova-compute for details'
        )


class ImagesTypeDiffers(Refused):
    """Source and destination keep disks in different formats."""

    def __init__(
        self, source: str, source_type: str, destination_type: str
    ) -> None:
        self.source_type = source_type
        self.destination_type = destination_type
        super().__init__(
            f'[libvirt] images_type is {source_type} on the source {source} '
            f'and {destination_type} on the destination; the disks of one '
            'cannot be used by the other: choose a destination with the '
            'same images_type'
        )


class InTreeSource(Refused):
    """The source runs the in-tree driver, which leaves content behind."""

    def __init__(self, source: str, disks: Sequence[str]) -> None:
        self.disks = tuple(disks)
        super().__init__(
            f'the source {source} runs the in-tree libvirt driver, which '
            f'leaves the content of {", ".join(self.disks)} behind: install '
            f'nova-blockmig on {source} first'
        )


class DirectoryExists(Refused):
    """A directory of the instance is already on the destination."""

    def __init__(self, path: str, host: str) -> None:
        self.path, self.host = path, host
        super().__init__(
            f'{path} already exists on the destination {host} and was not '
            'changed: move it away if it is not needed, then try again'
        )


class WouldBeLost(Refused):
    """Something other than the content of the disks would be lost."""

    def __init__(self, things: Sequence[str]) -> None:
        self.things = tuple(things)
        super().__init__(
            f'a migration would lose {", ".join(things)}: delete what is no '
            'longer needed with the program that created it, or move the '
            'instance by another method'
        )


class MachineTypeTooNew(Refused):
    """The destination's QEMU is older than the guest's machine type."""

    def __init__(self, machine: str) -> None:
        self.machine = machine
        super().__init__(
            f'the guest has the machine type {machine}, which the older QEMU '
            'on the destination does not support: choose a destination with '
            'the same or a newer QEMU, or set [libvirt] hw_machine_type on '
            'this host to a type that both hosts support, and stop and start '
            'the instance'
        )


class NoSpaceToFlatten(Refused):
    """The source cannot take the bases into the overlays."""

    def __init__(
        self, path: str, disks: Sequence[str], need: int, free: int
    ) -> None:
        self.need, self.free = need, free
        super().__init__(
            f'{", ".join(disks)} must be flattened on the source first, '
            f'which may take {verdict.human(need)} in {path}, where only '
            f'{verdict.human(free)} is free'
        )


class FlattenFailed(Refused):
    """A base could not be pulled into its overlay."""

    def __init__(self, disk: str, reason: str) -> None:
        self.disk = disk
        super().__init__(
            f'{disk} could not be flattened on the source: {reason}; the '
            'disk is intact and the migration can be tried again'
        )


class PayloadRefused(Refused):
    """What the source sent for a disk cannot be used."""

    def __init__(self, disk: str, reason: str) -> None:
        self.disk = disk
        super().__init__(
            f'the data that the source sent for {disk} cannot be used and was '
            f'discarded: {reason}; try again, and check the message bus and '
            'that both hosts run the same release of nova-blockmig'
        )


class CannotCreateDisk(Refused):
    """The destination cannot write a disk: no space, read-only, ..."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(
            f'cannot create {path} on the destination: {reason}; the partial '
            'file was removed'
        )


class DiskRefused(Refused):
    """A disk is not one that the destination makes, or exceeds its limits."""

    def __init__(self, disk: str, reason: str) -> None:
        self.disk = disk
        super().__init__(
            f'the destination does not accept {disk} from the source: {reason}'
        )


class UnknownBase(Refused):
    """The content of a disk's backing file is not known."""

    def __init__(self, source: str, disk: str, base: str) -> None:
        self.disk, self.base = disk, base
        super().__init__(
            f'{disk} has the backing file {base[:80]} on the source {source}, '
            "which does not belong to the instance's image, and the in-tree "
            f'libvirt driver would recreate it: install nova-blockmig on '
            f'{source} first'
        )


class DestinationRestarted(Refused):
    """Inline content was encrypted for a nova-compute that is gone."""

    def __init__(self, disk: str) -> None:
        self.disk = disk
        super().__init__(
            f'the content of {disk} was encrypted for another nova-compute '
            'process: nova-compute on the destination was restarted after '
            'the check; try again'
        )


class DestinationKey(Refused):
    """The destination sent an invalid public key."""

    def __init__(self) -> None:
        super().__init__(
            'the destination sent an invalid public key: check the message '
            'bus and the installation of nova-blockmig on the destination'
        )


class BaseDiffers(Refused):
    """The destination's copy of an image is not what the overlay was made
    on.
    """

    def __init__(
        self, path: str, host: str, source: str, destination: str
    ) -> None:
        self.path, self.host = path, host
        self.source, self.destination = source, destination
        super().__init__(
            f'the content of {path} differs: {source} on the source, '
            f'{destination} on the destination {host}; neither was changed: '
            'try again, and the disk will be flattened on the source first; '
            'compare both files with the image in Glance, and '
            'force_raw_images on both hosts'
        )


class BaseUnreadable(Refused):
    """The destination cannot compare its copy of an image."""

    def __init__(self, path: str, host: str, reason: str) -> None:
        self.path, self.host = path, host
        super().__init__(
            f'{path} on the destination {host} cannot be compared with the '
            f'source: {reason}'
        )


class GuestHasLeft(Refused):
    """A guest would be started from the disks that it has left."""

    def __init__(self, host: str, destination: str) -> None:
        self.host, self.destination = host, destination
        where = destination or 'another host'
        super().__init__(
            f'the guest was migrated from {host} to {where} while '
            f'nova-compute was not running, so its disks on {host} are out of '
            'date and it is not started from them; see "Nova and libvirt '
            'disagree" in the documentation of nova-blockmig'
        )


class NeverResumed(Refused):
    """QEMU would crash if this paused guest was migrated again."""

    def __init__(self, instance: str, disks: Sequence[str]) -> None:
        self.instance = instance
        self.disks = tuple(disks)
        super().__init__(
            f'instance {instance} arrived here paused and has not been '
            'resumed since; QEMU before 10.0 crashes when such a guest is '
            'migrated again and has disks that are not copied '
            f'({", ".join(disks)}): '
            'unpause it before the migration, and pause it again if needed'
        )


class SourceUnreadable(Refused):
    """A disk or base of the instance cannot be read on the source."""

    def __init__(self, disk: str, path: str, reason: str) -> None:
        self.disk, self.path = disk, path
        super().__init__(
            f'{disk} cannot be migrated: {path} cannot be read: {reason}'
        )
