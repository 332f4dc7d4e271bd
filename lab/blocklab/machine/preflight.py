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

"""Whether this machine can run the lab; each answer has a way out."""

import os
from pathlib import Path
import shutil
import subprocess

from blocklab.machine.errors import BadInput
from blocklab.machine.layout import ROOT

_GIB = 1 << 30
# Measured: 1.3 GB of packages, 0.7 GB a release, 1 GB a lab, and guests.
_DISK = 6 * _GIB
_MEMORY = 4 * _GIB


def check(*, cinder: bool = False) -> None:
    """Refuse a machine that cannot run the lab.

    :param cinder: whether the lab is to have volumes.
    :raises BadInput: with the first reason found.
    """
    if shutil.which('apt-get') is None:
        raise BadInput(
            'This machine has no apt-get.',
            'The lab takes MariaDB, RabbitMQ, libvirt, QEMU, Open vSwitch '
            'and OVN from Debian 12 or Debian 13.',
        )
    _check_room()
    _check_kernel()
    if cinder and not Path('/dev/fuse').exists():
        raise BadInput(
            'This kernel has no /dev/fuse, which volumes need.',
            'Load it with "modprobe fuse"; a container must be given the '
            'device.',
        )


def _check_room() -> None:
    place = next(p for p in (ROOT, *ROOT.parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < _DISK and not ROOT.exists():
        raise BadInput(
            f'{place} has {free / _GIB:.1f} GiB free; the lab needs '
            f'{_DISK / _GIB:.0f}.',
            f'Make room, or mount a larger disk on {ROOT}.',
        )
    total = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    if total < _MEMORY:
        raise BadInput(
            f'This machine has {total / _GIB:.1f} GiB of memory; the lab '
            f'needs {_MEMORY / _GIB:.0f}.',
            'Use a larger machine.',
        )


def _check_kernel() -> None:
    if not Path('/dev/net/tun').exists():
        raise BadInput(
            'This kernel has no /dev/net/tun, which guests need.',
            'Load it with "modprobe tun"; a container must be given the '
            'device.',
        )
    trials = {
        'network, mount and UTS namespaces': 'true',
        'veth links': 'ip link add try0 type veth peer name try1',
        'bridges': 'ip link add try0 type bridge',
        'private mounts': 'mount -t tmpfs none /mnt',
    }
    for what, trial in trials.items():
        if shutil.which('ip') is None and trial.startswith('ip '):
            continue  # a bare machine: iproute2 is installed later
        done = subprocess.run(
            ['unshare', '--net', '--mount', '--uts', 'sh', '-c', trial],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BadInput(
                f'This kernel refuses {what}: {done.stderr.strip()}',
                'Use a machine (or a privileged container) whose kernel '
                'allows it, with CAP_SYS_ADMIN and CAP_NET_ADMIN.',
            )
