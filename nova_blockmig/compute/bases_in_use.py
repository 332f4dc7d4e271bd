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

"""Which bases Nova's image cache manager has to leave alone.

Nova's own marks what the instances of this host use by the records of the
instances: images by their ids, and of the ephemeral disks the first. An
instance that is on its way here is another host's until it has arrived.
"""

from collections.abc import Iterable
from collections.abc import Iterator
import glob
import os

from nova import objects
from nova.compute import task_states
import nova.conf
from nova.virt.libvirt import imagecache
from oslo_log import log as logging

from nova_blockmig.compute import nova_types
from nova_blockmig.core import model
from nova_blockmig.host import headers

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_ON_THEIR_WAY = ['accepted', 'queued', 'preparing', 'running']


class ImageCacheManager(imagecache.ImageCacheManager):
    """Nova's, which knows of more that is in use."""

    def _list_running_instances(
        self,
        context: nova_types.Context,
        all_instances: Iterable[nova_types.Instance],
    ) -> dict[str, object]:
        running: dict[str, object] = super()._list_running_instances(
            context, [*all_instances, *incoming(context, all_instances)]
        )
        used = bases_of_overlays()
        if used is None:
            used = self.back_ephemeral_images | self.back_swap_images
        # What is not in the cache would be warned of at each run.
        running['used_ephemeral_images'] |= used & self.back_ephemeral_images
        running['used_swap_images'] |= used & self.back_swap_images
        return running


def incoming(
    context: nova_types.Context, known: Iterable[nova_types.Instance]
) -> list[nova_types.Instance]:
    """The instances on their way here by live migration.

    :param context: an administrator's.
    :param known: instances that need not be found.
    """
    uuids = {
        row.instance_uuid
        for row in objects.MigrationList.get_by_filters(
            context,
            {
                'host': CONF.host,
                'migration_type': 'live-migration',
                'status': _ON_THEIR_WAY,
            },
        )
        if row.dest_compute == CONF.host
    } - {instance.uuid for instance in known}
    if not uuids:
        return []
    instances = objects.InstanceList.get_by_filters(
        context,
        {'uuid': sorted(uuids), 'deleted': False},
        expected_attrs=[],
    )
    # A row stays where nova-compute died; its instance does not wait for it.
    return [i for i in instances if i.task_state == task_states.MIGRATING]


def bases_of_overlays() -> set[str] | None:
    """Names of the host-generated bases that disks on this host lie on.

    :returns: None if that is not known, as a header is not understood.
    """
    found = set()
    for path in _disks():
        try:
            header = headers.read_header(path)
            unknown = header is None and headers.is_qcow2(path)
        except FileNotFoundError:
            continue  # It went away meanwhile, and its need of a base.
        except OSError as exc:
            LOG.warning(
                'Not removing cached bases, unable to read %s: %s', path, exc
            )
            return None
        if unknown:
            LOG.debug('Unknown qcow2 header: %s', path)
            return None
        if header is not None and header.backing_file:
            found.add(os.path.basename(header.backing_file))
    return {name for name in found if model.is_host_generated(name)}


def _disks() -> Iterator[str]:
    pattern = os.path.join(glob.escape(CONF.instances_path), '*', 'disk*')
    return (path for path in glob.iglob(pattern) if os.path.isfile(path))
