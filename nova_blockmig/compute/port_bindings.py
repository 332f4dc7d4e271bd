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

"""What a migration that nobody has rolled back left in Neutron.

Nova's conductor binds the ports to the destination after the check. If the
migration before this one was cut off, because nova-compute of the source was
killed, its bindings are there already: Neutron refuses to make them, and each
further attempt to this host fails.
"""

from nova import objects
import nova.conf
from nova.objects import fields
from oslo_log import log as logging

from nova_blockmig.compute import nova as above
from nova_blockmig.compute import nova_types

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


def removed(
    virtapi: nova_types.VirtApi,
    context: nova_types.Context,
    instance: nova_types.Instance,
    migration: nova_types.Migration | None,
) -> None:
    """Remove bindings of the instance's ports to this host, if there are any.

    Nobody needs them: the instance runs elsewhere, one migration at a time
    moves it, and the one that is being checked has not bound anything yet.
    Nova and Neutron are asked only if an earlier migration to this host did
    not complete. Nothing is raised: Nova finds out by itself that it cannot
    bind the ports.

    :param migration: Nova's record of the migration that is being checked.
    """
    manager = above.manager(virtapi)
    if manager is None or migration is None or instance.host == CONF.host:
        return
    try:
        if _cut_off(context, instance, migration):
            LOG.info(
                'Removing port bindings to this host that an earlier '
                'migration may have left',
                instance=instance,
            )
            manager.network_api.setup_networks_on_host(
                context, instance, host=CONF.host, teardown=True
            )
    except Exception as exc:
        LOG.warning(
            'Unable to remove port bindings of an earlier migration: %s',
            exc,
            instance=instance,
        )


def _cut_off(
    context: nova_types.Context,
    instance: nova_types.Instance,
    migration: nova_types.Migration,
) -> bool:
    """Whether a migration to this host did not complete before this one."""
    found = objects.MigrationList.get_by_filters(
        # Migrations of other projects' instances are read as well.
        context.elevated(),
        {
            'instance_uuid': instance.uuid,
            'migration_type': fields.MigrationType.LIVE_MIGRATION,
        },
    )
    return any(
        each.id != migration.id
        and each.dest_compute == CONF.host
        and each.status != 'completed'
        for each in found
    )
