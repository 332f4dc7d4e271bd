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

"""What stands above a driver in nova-compute.

A driver is given a virt API only. A test's has nobody behind it.
"""

from nova_blockmig.compute import nova_types


def manager(virtapi: nova_types.VirtApi) -> nova_types.Manager | None:
    """The compute manager; None if there is none."""
    return getattr(virtapi, '_compute', None)


def resource_tracker(
    virtapi: nova_types.VirtApi,
) -> nova_types.ResourceTracker | None:
    """The manager's ResourceTracker; None if there is none."""
    return getattr(manager(virtapi), 'rt', None)
