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

"""Never start a guest from the disks that it has left.

libvirt moves a guest whether or not nova-compute is there to hear of the end.
If it is not, Nova's record stays with the source, and so do the disks as they
were before the switch-over: a hard reboot, or a start, would run a second
guest from them while the first one runs on the destination.

A file in the instance's directory says that libvirt was asked to move the
guest away. It goes when the guest has stayed, and with the directory when
Nova has cleaned up.
"""

from collections.abc import Iterator
import contextlib
import os

from nova import exception
import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging
from oslo_utils import fileutils

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.core import errors

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

MARK = '.nova-blockmig-outgoing'
_MOST = 1024
"""Bytes of a mark that are read; a host's name has 255 at most."""

# libvirt's stable ABI: virDomainState, virDomainShutoffReason. Nova's fake
# libvirt does not have all of the names.
SHUTOFF, _SHUTOFF_MIGRATED = 5, 4
_CRASHED = 6


@contextlib.contextmanager
def marked(
    host: libvirt_types.Host, instance: nova_types.Instance, destination: str
) -> Iterator[None]:
    """Mark the instance's directory while libvirt moves the guest.

    Without the mark the migration is what it is without us: a directory that
    cannot be written to does not keep the guest here.

    :param host: nova.virt.libvirt.host.Host of the driver.
    """
    path = _path(instance)
    try:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(destination)
    except OSError as exc:
        LOG.warning('Unable to write %s: %s', path, exc, instance=instance)
    try:
        yield
    finally:
        if os.path.lexists(path):
            try:
                _unmark_if_here(host, instance, path)
            except Exception as exc:
                # It is asked again before a start.
                LOG.debug(
                    'Unable to find out whether the guest has left: %s',
                    exc,
                    instance=instance,
                )


def assert_not_left(
    host: libvirt_types.Host, instance: nova_types.Instance
) -> None:
    """Before a guest is started here.

    :raises InstancePowerOnFailure: it was moved, and where to.
    :raises InternalError: it is marked, and libvirt does not answer.
    """
    path = _path(instance)
    if not os.path.lexists(path) or _unmark_if_here(host, instance, path):
        return
    destination = ''
    with (
        contextlib.suppress(OSError),
        open(path, encoding='utf-8', errors='replace') as file,
    ):
        destination = file.read(_MOST)
    left = errors.GuestHasLeft(CONF.host, destination)
    raise exception.InstancePowerOnFailure(reason=str(left)) from left


def is_migrated(state: int, reason: int) -> bool:
    """Whether libvirt says of a domain that its guest has left.

    It does where it could not remove the domain.
    """
    return (state, reason) == (SHUTOFF, _SHUTOFF_MIGRATED)


def ended_here(guest: libvirt_types.Guest) -> bool:
    """Whether the guest's domain is shut off, and not because it was moved.

    libvirt removes the domain of a guest that has left, or says that it was
    migrated where it could not remove it.
    """
    libvirt = libvirt_driver.libvirt
    try:
        if guest.is_active():
            return False
        state, reason = guest._domain.state()[:2]
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise
    if is_migrated(state, reason):
        return False
    return state in (SHUTOFF, _CRASHED)


def _unmark_if_here(
    host: libvirt_types.Host, instance: nova_types.Instance, path: str
) -> bool:
    """Remove the mark if libvirt has the guest here, running or not."""
    try:
        guest = host.get_guest(instance)
    except exception.InstanceNotFound:
        return False
    if is_migrated(*guest._domain.state()[:2]):
        return False
    fileutils.delete_if_exists(path)
    return True


def _path(instance: nova_types.Instance) -> str:
    return os.path.join(libvirt_utils.get_instance_path(instance), MARK)
