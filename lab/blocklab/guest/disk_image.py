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

"""The guest image of the lab: Debian's cloud kernel, busybox, one disk.

The files in lab/guest are the guest's own programs; what they do, and the
records that they write on the serial console, is in lab/guest/README.rst.
Nothing but apt is used from the network, and nothing is installed: the
kernel's package is unpacked.
"""

from collections.abc import Callable
from dataclasses import dataclass
import hashlib
from pathlib import Path
import shutil
import struct
import tempfile

from blocklab.guest import initramfs
from blocklab.machine.errors import LabError
from blocklab.machine.layout import LAB_DIR
from blocklab.machine.subprocesses import run

KERNEL_PACKAGE = 'linux-image-cloud-amd64'

SECTOR = 512
MIB = 1024 * 1024
BOOT_START = 1 * MIB
DATA_START = 64 * MIB
DISK_SIZE = 256 * MIB

Log = Callable[[str], None]


@dataclass(frozen=True)
class GuestImage:
    """A guest, ready for Glance.

    :ivar disk: bootable disk, qcow2, 256 MiB; its second partition is the
        ext4 file system that the guest's writer uses. BIOS boot.
    :ivar kernel: the same kernel as a file, for an instance that boots
        from kernel and ramdisk images.
    :ivar initrd: the same initramfs as a file.
    :ivar digest: SHA-256 over everything that the image was made from.
    """

    disk: Path
    kernel: Path
    initrd: Path
    digest: str


def build(work_dir: Path, *, log: Log = lambda line: None) -> GuestImage:
    """Build the image in a directory, or return the one built before.

    The kernel is chosen once for a directory: as long as its package is
    there, a newer kernel in Debian changes nothing.

    :raises LabError: a tool failed, or Debian offers no
        cloud kernel.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    package = _kernel_package(work_dir, log)
    digest = _digest(package)
    image = GuestImage(
        disk=work_dir / 'guest.qcow2',
        kernel=work_dir / 'vmlinuz',
        initrd=work_dir / 'initrd',
        digest=digest,
    )
    stamp = work_dir / 'digest'
    made = (image.disk, image.kernel, image.initrd, stamp)
    if all(file.exists() for file in made) and stamp.read_text() == digest:
        return image
    log('Building the guest image')
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir) as name:
        _make(image, package, Path(name))
    stamp.write_text(digest)
    return image


def _make(image: GuestImage, package: Path, scratch: Path) -> None:
    run(
        'Unpacking the kernel package',
        ['dpkg', '--extract', package, scratch / 'kernel'],
    )
    (kernel,) = (scratch / 'kernel' / 'boot').glob('vmlinuz-*')
    shutil.copyfile(kernel, image.kernel)
    initramfs.build(scratch / 'kernel', scratch, image.initrd)
    raw = scratch / 'disk.raw'
    make_disk(raw, image.kernel, image.initrd)
    run(
        'Compressing the guest image',
        ['qemu-img', 'convert', '-c', '-O', 'qcow2', raw, image.disk],
    )


def _kernel_package(work_dir: Path, log: Log) -> Path:
    if found := sorted(work_dir.glob('linux-image-*.deb')):
        return found[-1]
    listing = run(
        'Asking apt for the cloud kernel',
        ['apt-cache', 'depends', KERNEL_PACKAGE],
    )
    names = [
        line.split(':', 1)[1].strip()
        for line in listing.splitlines()
        if line.strip().startswith('Depends: linux-image-')
    ]
    if not names:
        raise LabError(
            f'apt knows no package {KERNEL_PACKAGE}.',
            'The lab needs Debian 12 or 13 on amd64 and "apt-get update".',
        )
    log(f'Downloading {names[0]}')
    # Complete or not there: an interrupted download must not be taken for
    # the package.
    with tempfile.TemporaryDirectory(dir=work_dir) as name:
        run(
            f'Downloading {names[0]}',
            ['sh', '-c', 'cd "$1" && apt-get download "$2"', '-', name,
             names[0]],
        )  # fmt: skip
        (downloaded,) = Path(name).glob('*.deb')
        return downloaded.rename(work_dir / downloaded.name)


def _digest(package: Path) -> str:
    """SHA-256 over the names and contents of all inputs."""
    inputs = [
        package,
        initramfs.BUSYBOX,
        Path(__file__),
        Path(initramfs.__file__),
        *sorted(path for path in initramfs.GUEST.rglob('*')),
    ]
    total = hashlib.sha256()
    for path in inputs:
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f'{path.name} {content}\n'.encode())
    return total.hexdigest()


def make_disk(raw: Path, kernel: Path, initrd: Path) -> None:
    """Make the bootable disk, without root and without loop devices.

    Partition 1 is FAT with syslinux, kernel and initramfs; partition 2 is
    an ext4 file system for the writer.
    """
    with raw.open('wb') as disk:
        disk.write(boot_record())
        disk.truncate(DISK_SIZE)
    boot_kib = (DATA_START - BOOT_START) // 1024
    run(
        'Making the boot partition',
        ['mkfs.vfat', '-F', '32', '-s', '1', '-n', 'BOOT', '--offset',
         str(BOOT_START // SECTOR), raw, str(boot_kib)],
    )  # fmt: skip
    run(
        'Filling the boot partition',
        ['mcopy', '-i', f'{raw}@@{BOOT_START}', kernel, initrd,
         LAB_DIR / 'guest' / 'syslinux.cfg', '::'],
    )  # fmt: skip
    run(
        'Making the boot partition bootable',
        ['syslinux', '--offset', str(BOOT_START), '--install', raw],
    )
    data_kib = (DISK_SIZE - DATA_START) // 1024
    run(
        'Making the data partition',
        ['mkfs.ext4', '-q', '-L', 'guestdata', '-E',
         f'offset={DATA_START}', raw, f'{data_kib}k'],
    )  # fmt: skip


def boot_record() -> bytes:
    """The first sector: syslinux's MBR code and the partition table.

    Format: 440 bytes of code, disk signature, four entries of 16 bytes,
    0xAA55. Types are 0x0c (FAT32, LBA) and 0x83 (Linux); the entries'
    cylinder numbers are not used by anything that boots this disk.
    """
    code = Path('/usr/lib/syslinux/mbr/mbr.bin').read_bytes()
    return (
        code[:440].ljust(440, b'\0')
        + b'BLKM\0\0'
        + _entry(0x80, 0x0C, BOOT_START, DATA_START)
        + _entry(0x00, 0x83, DATA_START, DISK_SIZE)
        + bytes(32)
        + b'\x55\xaa'
    )


def _entry(flag: int, kind: int, start: int, end: int) -> bytes:
    return struct.pack(
        '<B3sB3sII',
        flag,
        b'\xfe\xff\xff',
        kind,
        b'\xfe\xff\xff',
        start // SECTOR,
        (end - start) // SECTOR,
    )
