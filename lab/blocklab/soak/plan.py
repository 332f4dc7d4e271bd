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

"""What a soak does, from a seed: the same seed, the same instances."""

from dataclasses import dataclass
import random

# What the guest can use; vfat needs a module that not every kernel has.
FILE_SYSTEMS = ('ext3', 'ext4', 'xfs')
# Bus of the disks -> properties of the image.
BUSES = {
    'virtio': {'hw_disk_bus': 'virtio'},
    'scsi': {'hw_disk_bus': 'scsi', 'hw_scsi_model': 'virtio-scsi'},
}
IMAGE_FORMATS = ('qcow2', 'raw')
_MEMORY_MIB = (160, 192, 224)
_SWAP_MIB = (0, 64, 100, 128)


@dataclass(frozen=True)
class Image:
    """How the image is uploaded; all hold the same guest."""

    disk_format: str
    bus: str

    @property
    def name(self) -> str:
        return f'soak-{self.disk_format}-{self.bus}'


@dataclass(frozen=True)
class Planned:
    """An instance and its moves, there and back.

    :ivar ephemeral: (file system, GiB) of each ephemeral disk.
    :ivar swap_mib: 0 means none.
    :ivar paused: for each move, whether the guest is paused meanwhile;
        else it writes.
    :ivar bulk_mib: written once by the guest beside its usual files.
    """

    number: int
    image: Image
    memory_mib: int
    disk_gib: int
    ephemeral: tuple[tuple[str, int], ...]
    swap_mib: int
    config_drive: bool
    bulk_mib: int
    paused: tuple[bool, ...]

    @property
    def name(self) -> str:
        return f'soak-{self.number}'


def instance(seed: int, number: int, moves: int = 4) -> Planned:
    """The instance of that number in the soak of that seed.

    :param moves: how often it is moved.
    """
    chance = random.Random(f'{seed} {number}')  # noqa: S311
    image = Image(chance.choice(IMAGE_FORMATS), chance.choice(tuple(BUSES)))
    ephemeral = tuple(
        (chance.choice(FILE_SYSTEMS), chance.randint(1, 3))
        for _ in range(chance.randint(0, 2))
    )
    return Planned(
        number=number,
        image=image,
        memory_mib=chance.choice(_MEMORY_MIB),
        disk_gib=chance.randint(1, 2),
        ephemeral=ephemeral,
        swap_mib=chance.choice(_SWAP_MIB),
        config_drive=chance.random() < 0.6,
        bulk_mib=chance.choice((0, 0, 8, 24)),
        paused=tuple(chance.random() < 0.5 for _ in range(moves)),
    )
