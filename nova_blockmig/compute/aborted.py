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

"""Whether an operator has aborted a migration that is being prepared."""

from typing import Any


def aborted(virtapi: Any, instance_uuid: str) -> bool:
    """Whether ``nova live-migration-abort`` was called for the instance.

    While a migration is prepared, Nova's compute manager takes an aborted
    one out of ``_waiting_live_migrations`` and looks there when the
    preparation is over; the driver is not told. A virt API without a
    manager (a test's) has nobody who could abort.
    """
    manager = getattr(virtapi, '_compute', None)
    waiting = getattr(manager, '_waiting_live_migrations', None)
    return waiting is not None and instance_uuid not in waiting
