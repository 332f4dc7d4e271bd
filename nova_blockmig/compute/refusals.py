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
"""Refusals as Nova's conductor understands them.

The conductor keeps an instance as it is, and may try another host, for a few
exceptions only. For any other that leaves a check it sets the instance to
ERROR, although the guest runs on and nothing has happened to it.
"""

from collections.abc import Iterator
import contextlib

from nova import exception
from oslo_log import log as logging

from nova_blockmig.compute import nova_types
from nova_blockmig.core import errors

LOG = logging.getLogger(__name__)

# nova.conductor.manager.ComputeTaskManager._live_migrate
_KNOWN = (
    exception.NoValidHost,
    exception.ComputeHostNotFound,
    exception.ComputeServiceUnavailable,
    exception.InvalidHypervisorType,
    exception.InvalidCPUInfo,
    exception.UnableToMigrateToSelf,
    exception.DestinationHypervisorTooOld,
    exception.InvalidLocalStorage,
    exception.InvalidSharedStorage,
    exception.HypervisorUnavailable,
    exception.InstanceInvalidState,
    exception.MigrationPreCheckError,
    exception.MigrationSchedulerRPCError,
)


@contextlib.contextmanager
def of_check(instance: nova_types.Instance) -> Iterator[None]:
    """Whatever goes wrong in a check refuses the migration, with its reason.

    :raises MigrationPreCheckError: for a refusal of ours, and for everything
        that the conductor does not know.
    """
    try:
        yield
    except _KNOWN:
        raise
    except errors.Refused as exc:
        raise exception.MigrationPreCheckError(reason=str(exc)) from exc
    except Exception as exc:
        LOG.exception(
            'The check of a live migration failed', instance=instance
        )
        raise exception.MigrationPreCheckError(
            reason=str(errors.CheckFailed(exc))
        ) from exc
