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

"""What this host says of itself to another one that compares."""

import time

from nova import version as nova_version
import nova.conf

from nova_blockmig import version
from nova_blockmig.compute import images_type
from nova_blockmig.core import handshake
from nova_blockmig.core import host_facts
from nova_blockmig.host import files

CONF = nova.conf.CONF
MIB = 2**20


def here() -> host_facts.HostFacts:
    """By its nova.conf, its file system and its clock."""
    try:
        free: int | None = files.free_bytes(CONF.instances_path)
    except OSError:
        free = None
    return host_facts.HostFacts(
        host=CONF.host,
        version=version.package_version(),
        nova=nova_version.version_string(),
        payloads=(handshake.OLDEST, handshake.NEWEST),
        images_type=images_type.effective(),
        instances_path=CONF.instances_path,
        config_drive_format=CONF.config_drive_format,
        free_bytes=free,
        reserved_bytes=CONF.reserved_host_disk_mb * MIB,
        now=time.time(),
    )
