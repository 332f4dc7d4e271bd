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

"""The guest's initramfs: busybox, a few kernel modules, our programs."""

import gzip
import os
from pathlib import Path
import shutil
import subprocess

from blocklab.machine.errors import CommandFailed
from blocklab.machine.errors import LabError
from blocklab.machine.layout import LAB_DIR
from blocklab.machine.subprocesses import run

GUEST = LAB_DIR / 'guest'
BUSYBOX = Path('/bin/busybox')

# File of lab/guest -> place in the guest.
_PLACES = {
    'init': 'init',
    'bmrun': 'bin/bmrun',
    'records': 'lib/blockmig/records',
    'disks': 'lib/blockmig/disks',
    'writer': 'lib/blockmig/writer',
    'lease': 'lib/blockmig/lease',
    'modules': 'lib/blockmig/modules',
    'power-button': 'etc/acpi/PWRF/00000080',
}


def build(kernel: Path, scratch: Path, initrd: Path) -> None:
    """Write the initramfs.

    :param kernel: directory with a kernel package unpacked in it.
    :param scratch: directory for what is made on the way.
    :param initrd: file to write.
    """
    tree = scratch / 'initramfs'
    for name, place in _PLACES.items():
        _install(GUEST / name, tree / place)
    _install(BUSYBOX, tree / 'bin' / 'busybox')
    (tree / 'bin' / 'sh').symlink_to('busybox')
    modules = _order(modules_of(kernel), scratch / 'modules')
    wanted = (GUEST / 'modules').read_text().split()
    needed = closure((modules / 'modules.dep').read_text(), wanted)
    target = tree / 'lib' / 'modules' / modules.name
    for path in needed:
        _install(modules / path, target / path)
    (target / 'modules.dep').write_text(
        ''.join(f'{path}: {" ".join(on)}\n' for path, on in needed.items())
    )
    _pack(tree, initrd)


def modules_of(kernel: Path) -> Path:
    """The directory of a kernel's modules, named after its version.

    Debian's packages have them beneath usr/lib from Debian 13 on, and
    beneath lib before.

    :param kernel: directory with a kernel package unpacked in it.
    :raises LabError: there are none, or those of several kernels.
    """
    found = [
        each
        for usr in ('lib', 'usr/lib')
        for each in (kernel / usr / 'modules').glob('*')
        if each.is_dir()
    ]
    if len(found) != 1:
        raise LabError(
            'The kernel package has the modules of '
            f'{len(found)} kernels, not of one.',
            'Remove the package beneath $LABCTL_ROOT/guest, and give the '
            'same command again.',
        )
    return found[0]


def _order(modules: Path, root: Path) -> Path:
    """Move modules to where depmod looks for them, and let it look.

    :returns: where they are then.
    """
    place = root / 'lib' / 'modules' / modules.name
    place.parent.mkdir(parents=True)
    # depmod looks where its own Debian has modules.
    (root / 'usr').symlink_to('.')
    modules.rename(place)
    run('Ordering the kernel modules', ['depmod', '-b', root, place.name])
    return place


def closure(modules_dep: str, wanted: list[str]) -> dict[str, list[str]]:
    """The modules of the wanted names and all that they depend on.

    :param modules_dep: content of modules.dep, the format of depmod(8):
        a path, a colon, the paths of all that it needs, in order.
    :param wanted: names without path and ending; one that the kernel has
        built in, and so is not listed, is passed over.
    :returns: path -> the paths that it needs, both sorted as given.
    """
    needs = {}
    for line in modules_dep.splitlines():
        path, _, rest = line.partition(':')
        needs[path] = rest.split()
    by_name = {Path(path).name.split('.')[0]: path for path in needs}
    chosen: dict[str, list[str]] = {}
    for name in wanted:
        if name in by_name:
            path = by_name[name]
            for each in (path, *needs[path]):
                chosen[each] = needs[each]
    return chosen


def _install(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    # What git keeps of the mode depends on who checked the tree out.
    target.chmod(0o755)


def _pack(tree: Path, initrd: Path) -> None:
    """Write a tree as a compressed cpio archive, the same every time."""
    names = []
    for path in sorted(tree.rglob('*')):
        os.utime(path, (0, 0), follow_symlinks=False)
        names.append(str(path.relative_to(tree)))
    done = subprocess.run(
        ['cpio', '--quiet', '--create', '--format=newc', '--reproducible',
         '--owner=0:0', f'--directory={tree}'],
        input='\n'.join(names).encode(),
        capture_output=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise CommandFailed(
            'Packing the initramfs', done.returncode, done.stderr.decode()
        )
    initrd.write_bytes(gzip.compress(done.stdout, 6, mtime=0))
