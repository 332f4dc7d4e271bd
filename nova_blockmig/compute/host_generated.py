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

"""Which disks of an instance its host has made, as far as Nova tells.

Asked on the destination, whose source runs the in-tree driver and does not
say it.
"""

from nova import objects

from nova_blockmig.compute import images_type
from nova_blockmig.compute import nova_types


def disks(
    context: nova_types.Context, instance: nova_types.Instance
) -> tuple[str, ...]:
    """What the in-tree driver on the source would leave behind.

    The source's own configuration is not known here, so a config drive
    counts whether it is iso9660 (lost) or vfat (copied). Hosts that take
    instances from each other have the same image backend; where this one
    keeps disks without backing files, ephemeral and swap disks are copied
    whole. If the source differs, the names of its backing files show it,
    and :meth:`Destination.prepare` refuses them.
    """
    found = []
    whole = images_type.effective() == 'raw'
    if not whole and (instance.flavor.ephemeral_gb or instance.flavor.swap):
        bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(
            context, instance.uuid
        )
        for bdm in bdms:
            if bdm.source_type == 'blank' and bdm.destination_type == 'local':
                kind = 'swap' if bdm.guest_format == 'swap' else 'ephemeral'
                found.append(f'{kind} {bdm.device_name or "disk"}')
    if instance.config_drive:
        found.append('the config drive')
    return tuple(found)
