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

"""The hosts' mount namespaces: what each sees beneath /.

A host sees this machine's files, or those of another Debian release (see
`blocklab.machine.roots`), and has some directories of its own.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import os
from pathlib import Path

from blocklab.machine import debian_nova
from blocklab.machine import roots
from blocklab.machine import subprocesses
from blocklab.machine.errors import CommandFailed
from blocklab.machine.host import Host
from blocklab.machine.layout import HostLayout

# What each host has of its own: path in the host -> directory of the lab.
_OWN = {
    '/etc/libvirt': 'libvirt/etc',
    '/var/lib/libvirt': 'libvirt/lib',
    '/var/log/libvirt': 'libvirt/log',
    '/var/cache/libvirt': 'libvirt/cache',
    '/var/lib/nova': 'nova',
    '/run': 'run',
}
# And if it has Debian's own Nova, whose services run as nova: the same, and
# what belongs to nova.
_DEBIAN_OWN = {'/etc/nova': 'etc-nova', '/var/log/nova': 'log-nova'}
_NOVAS = ('/var/lib/nova', '/var/log/nova', '/run/nova', '/run/lock/nova')
# What some service expects to be there.
_NEEDED = (
    'nova/instances',
    'run/libvirt',
    'run/lock',
    'run/mysqld',
    'run/openvswitch',
    'run/ovn',
)


def system(host: HostLayout) -> str | None:
    """The Debian release whose root a host has; None is this machine's."""
    try:
        return _system(host).read_text() or None
    except FileNotFoundError:
        return None


def change_system(host: HostLayout, wanted: str | None) -> None:
    """Give a host another root. Its processes must be gone.

    Its links stay, and so does what is its own: instances, the definitions
    of libvirt, the switch's database.
    """
    for file in (host.mount_namespace, host.uts_namespace):
        if is_mounted(file):
            subprocesses.run('Unmounting', ['umount', file])
    create(host, wanted)


def _system(host: HostLayout) -> Path:
    return host.namespaces_directory / f'{host.name}.system'


def make_private(directory: Path) -> None:
    """Make a directory a mount of its own that propagates nothing."""
    # A mount namespace can be kept in a file only where mounts do not
    # propagate: unshare(1), --mount.
    directory.mkdir(parents=True, exist_ok=True)
    if not is_mounted(directory):
        subprocesses.run(
            'Mounting', ['mount', '--bind', '--make-private', directory,
                         directory]
        )  # fmt: skip


def create(host: HostLayout, wanted: str | None) -> None:
    """Make a host's mount and UTS namespaces; its network is there.

    :param wanted: the Debian release of its root; None is this machine's.
    """
    for directory in (*_OWN.values(), *_NEEDED):
        (host.directory / directory).mkdir(parents=True, exist_ok=True)
    for file in (host.mount_namespace, host.uts_namespace):
        file.touch()
    _unshare(host, wanted)
    _system(host).write_text(wanted or '')
    inside = Host(host)
    _forget_other_namespaces(inside)
    # What /sys shows of the network belongs to whoever mounted it.
    inside.run(['umount', '--lazy', '/sys'])
    inside.run(['mount', '-t', 'sysfs', 'sysfs', '/sys'])
    _bind(inside, _OWN)
    inside.run(['mount', '--bind', host.directory / 'hosts', '/etc/hosts'])
    if wanted is not None and roots.has_nova(wanted):
        _for_debian_nova(inside, wanted)


def _bind(inside: Host, own: Mapping[str, str]) -> None:
    for place, directory in own.items():
        inside.run(['mkdir', '-p', place])
        inside.run(
            ['mount', '--bind', inside.layout.directory / directory, place]
        )


def _for_debian_nova(inside: Host, wanted: str) -> None:
    """What Debian's packages and systemd do for the user nova."""
    for directory in _DEBIAN_OWN.values():
        (inside.layout.directory / directory).mkdir(exist_ok=True)
    _bind(inside, _DEBIAN_OWN)
    debian_nova.copy_settings(wanted, inside.layout.debian_etc)
    inside.run(['chown', '--recursive', 'root:nova', '/etc/nova'])
    inside.run(['chmod', '--recursive', 'g+rX,o=', '/etc/nova'])
    inside.run(['mkdir', '-p', *_NOVAS])
    inside.run(['chown', '--recursive', 'nova:nova', *_NOVAS])


def _unshare(host: HostLayout, wanted: str | None) -> None:
    """Make the namespaces of a host that are kept in files.

    Linux lets a mount namespace be kept only beneath an older one, and since
    6.18 tells by numbers that rise on each processor by themselves. Where
    the lab does not run in the machine's first mount namespace, only the
    processor that made that one is sure to do.
    """
    name_it = ['hostname', host.name]
    if wanted is not None:
        name_it = roots.pivot(wanted, *name_it)
    processors = sorted(os.sched_getaffinity(0))
    for processor in processors:
        try:
            subprocesses.run(
                f'Making the namespaces of {host.name}',
                [
                    'taskset',
                    '-c',
                    str(processor),
                    'nsenter',
                    f'--net={host.network_namespace}',
                    'unshare',
                    f'--mount={host.mount_namespace}',
                    f'--uts={host.uts_namespace}',
                    '--propagation=private',
                    *name_it,
                ],
            )
        except CommandFailed:
            if processor == processors[-1]:
                raise
            for file in (host.mount_namespace, host.uts_namespace):
                if is_mounted(file):
                    subprocesses.run('Unmounting', ['umount', file])
        else:
            return


def _forget_other_namespaces(inside: Host) -> None:
    # The new mount namespace starts as a copy; namespaces that are kept in
    # files would live on in it after their owner has removed them.
    kept = inside.run(
        ['findmnt', '--noheadings', '--list', '--output=TARGET,FSTYPE']
    )
    for line in kept.splitlines():
        target, _, kind = line.rpartition(' ')
        if kind == 'nsfs':
            inside.run(['umount', '--lazy', target.strip()])


def below(directory: Path) -> list[Path]:
    """What is mounted at or below a directory, in order of mounting."""
    return [
        place
        for place in _mount_points()
        if place == directory or directory in place.parents
    ]


def _mount_points() -> Iterator[Path]:
    for line in Path('/proc/self/mountinfo').read_text().splitlines():
        # Field 5 is the mount point, with octal escapes: proc(5).
        yield Path(line.split()[4].encode().decode('unicode_escape'))


def is_mounted(place: Path) -> bool:
    return place in set(_mount_points())
