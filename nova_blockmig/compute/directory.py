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

"""The instance's directory on the destination, and whose it is.

Nova rolls back what fails, but not what it finds to be cut off when it
starts: the half-made directory stays, and each further attempt would be
refused because of it. A file that only we make tells such a directory from
one that something may need. It is made in a directory that Nova has just
made itself, for a block migration without shared storage, and it goes when
the guest has arrived, or with the directory.
"""

import os
import shutil

from nova import exception
from nova import objects
import nova.conf
from nova.objects import fields
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import fileutils

from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import offload
from nova_blockmig.core import errors

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

MARK = '.nova-blockmig-incoming'
_MOST = 4096
"""Bytes; a mark has a few hundred."""


def existing(
    instance: nova_types.Instance, data: nova_types.MigrateData
) -> str | None:
    """Path of the instance's directory, if it is here and is not shared."""
    if data.is_shared_instance_path:
        return None
    path = str(libvirt_utils.get_instance_path_at_destination(instance, data))
    return path if os.path.lexists(path) else None


def spared(
    data: nova_types.MigrateData | None,
) -> nova_types.MigrateData | None:
    """A copy of migrate data that makes Nova's rollback spare the directory.

    Nova removes the instance's directory unless it is on shared storage, or
    there is no data to tell.
    """
    if data is None:
        return None
    data = data.obj_clone()
    data.is_shared_instance_path = True
    return data


def mark(
    directory: str,
    instance: nova_types.Instance,
    source: str,
    migration: str | None,
) -> None:
    """Say of a new directory that it is half-made.

    :param migration: the UUID of Nova's record; None if it is not known.
    :raises errors.CannotCreateDisk: the file system is full or read-only.
    """
    content = {
        'instance': instance.uuid,
        'source': source,
        'destination': CONF.host,
        'migration': migration,
    }
    try:
        with open(os.path.join(directory, MARK), 'w', encoding='ascii') as f:
            f.write(jsonutils.dumps(content))
    except OSError as exc:
        raise errors.CannotCreateDisk(directory, str(exc)) from exc


def unmark(directory: str) -> bool:
    """The guest has arrived.

    :returns: whether it came by block migration.
    """
    path = os.path.join(directory, MARK)
    if not os.path.lexists(path):
        return False
    fileutils.delete_if_exists(path)
    return True


def rolls_back_another(
    instance: nova_types.Instance, data: nova_types.MigrateData | None
) -> bool:
    """Whether a rollback comes after the next migration has begun.

    Nobody waits for a rollback at the destination, and Nova's would take the
    next one's files from under its guest.

    :param data: of the migration that is rolled back.
    """
    if data is None or 'migration' not in data:
        return False
    path = existing(instance, data)
    content = marking(path, instance) if path else None
    if not content or content.get('migration') in (None, data.migration.uuid):
        return False
    LOG.warning(
        'Not removing %(directory)s in the rollback of migration %(other)s: '
        'it was created by migration %(made_it)s',
        {
            'directory': path,
            'made_it': content['migration'],
            'other': data.migration.uuid,
        },
        instance=instance,
    )
    return True


def clear(
    driver: libvirt_types.Driver,
    context: nova_types.Context,
    instance: nova_types.Instance,
    migration: nova_types.Migration,
    directory: str,
) -> bool:
    """Remove a directory that an earlier migration of ours left half-made.

    Whatever is not sure keeps it.

    :param migration: Nova's record of the migration that is being checked.
    :returns: whether it is gone.
    """
    source = _marked(directory, instance)
    if source is None:
        return False
    reason = _needed(driver, context, instance, migration)
    if reason:
        LOG.warning(
            'Not removing %(directory)s: %(reason)s',
            {'directory': directory, 'reason': reason},
            instance=instance,
        )
        return False
    LOG.warning(
        'Removing %(directory)s, left by an interrupted migration from '
        '%(source)s',
        {'directory': directory, 'source': source},
        instance=instance,
    )
    try:
        offload.run(shutil.rmtree, directory)
    except OSError as exc:
        LOG.warning(
            'Unable to remove the directory: %s', exc, instance=instance
        )
        return False
    return True


def _marked(directory: str, instance: nova_types.Instance) -> str | None:
    """The source of the migration that made it; None if it is not ours."""
    content = marking(directory, instance)
    return str(content['source']) if content else None


def marking(
    directory: str, instance: nova_types.Instance
) -> dict[str, object] | None:
    """What our mark says; None if there is none for this instance here."""
    if os.path.islink(directory):
        return None
    handle = -1
    try:
        handle = os.open(
            os.path.join(directory, MARK),
            os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
        )
        content = jsonutils.loads(os.read(handle, _MOST))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        if handle >= 0:
            os.close(handle)
    if not isinstance(content, dict):
        return None
    ours = {'instance': instance.uuid, 'destination': CONF.host}
    if ours.items() <= content.items() and content.get('source'):
        return content
    return None


def _needed(
    driver: libvirt_types.Driver,
    context: nova_types.Context,
    instance: nova_types.Instance,
    migration: nova_types.Migration,
) -> str | None:
    """Why the directory may be in use after all."""
    try:
        driver._host.get_guest(instance)
    except exception.InstanceNotFound:
        pass
    except exception.NovaException as exc:
        return str(exc)
    else:
        return 'libvirt has a domain of the instance on this host'
    # Migrations of other projects' instances are read as well.
    context = context.elevated()
    host = objects.Instance.get_by_uuid(context, instance.uuid).host
    if not host or host == CONF.host:
        return f'according to Nova the instance is on {host}'
    # An instance is moved by one migration at a time, the newest.
    newest = max(
        objects.MigrationList.get_by_filters(
            context, {'instance_uuid': instance.uuid}
        ),
        key=lambda found: found.id,
        default=None,
    )
    if (
        newest is None
        or migration is None
        or newest.id != migration.id
        or newest.migration_type != fields.MigrationType.LIVE_MIGRATION
    ):
        return 'another migration of the instance is in progress'
    return None
