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

"""What the dry run asks of nova-compute, over the message bus of a cell."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
from typing import Any

from nova import config
from nova import context as nova_context
from nova import exception
from nova import objects
from nova import rpc
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.objects import base as objects_base
from oslo_config import cfg
import oslo_messaging as messaging
from oslo_messaging.rpc import dispatcher

from nova_blockmig.compute import endpoint
from nova_blockmig.core import dry_run
from nova_blockmig.core import operator_errors

_NOT_OURS = {'UnsupportedVersion', 'NoSuchMethod'}


class Bus:
    """The nova-computes of a cell, and its conductor."""

    def __init__(
        self,
        new_context: Callable[[], Any] = nova_context.get_admin_context,
        timeout: float = 60.0,
    ) -> None:
        self._new_context = new_context
        self._client = rpc.get_client(
            messaging.Target(
                topic=compute_rpcapi.RPC_TOPIC,
                namespace=endpoint.NAMESPACE,
                version=endpoint.VERSION,
            )
        )
        self._timeout = timeout

    def host_of(self, server_id: str) -> str:
        """The compute host of an instance.

        :raises operator_errors.CannotAsk: no such instance in this cell, or
            no conductor.
        """
        with _sentence('nova-conductor'):
            try:
                instance = objects.Instance.get_by_uuid(
                    self._new_context(), server_id, expected_attrs=[]
                )
            except exception.InstanceNotFound as exc:
                raise operator_errors.CannotAsk(
                    f'there is no instance {server_id} in this cell'
                ) from exc
            return str(instance.host)

    def hosts(self) -> list[str]:
        """Every compute host of the cell."""
        with _sentence('nova-conductor'):
            nodes = objects.ComputeNodeList.get_all(self._new_context())
            return sorted({node.host for node in nodes if node.host})

    def source(self, host: str, server_id: str) -> dry_run.Source:
        """How an instance would leave its host."""
        answer = self._call(host, 'describe_source', instance_uuid=server_id)
        return dry_run.Source.from_plain(answer)

    def destination(
        self, host: str, server_id: str, disk_over_commit: bool | None
    ) -> dry_run.Destination:
        """What a host has for an instance."""
        answer = self._call(
            host,
            'check_destination',
            instance_uuid=server_id,
            disk_over_commit=disk_over_commit,
        )
        return dry_run.Destination.from_plain(answer)

    def _call(self, host: str, method: str, **arguments: Any) -> Any:
        client = self._client.prepare(server=host, timeout=self._timeout)
        with _sentence(f'nova-compute on {host}'):
            return client.call(self._new_context(), method, **arguments)


def connect(config_files: Sequence[str]) -> Bus:
    """Read nova.conf and connect as nova-compute does.

    :param config_files: none for those that nova-compute finds.
    :raises operator_errors.CannotAsk: a file cannot be read, or has no
        message bus.
    """
    arguments = [f'--config-file={file}' for file in config_files]
    try:
        config.parse_args(['nova-compute', *arguments], configure_db=False)
    except (cfg.Error, OSError, messaging.MessagingException) as exc:
        raise operator_errors.CannotAsk(
            f'nova.conf does not tell of a message bus: {exc}'
        ) from exc
    objects.register_all()
    # Records come through the conductor, as on a compute host.
    objects_base.NovaObject.indirection_api = conductor_rpcapi.ConductorAPI()
    return Bus()


@contextlib.contextmanager
def _sentence(whom: str) -> Iterator[None]:
    """One sentence for whatever goes wrong on the bus."""
    try:
        yield
    except dispatcher.RPCDispatcherError as exc:
        raise _not_ours(whom) from exc
    except messaging.RemoteError as exc:
        if exc.exc_type in _NOT_OURS:
            raise _not_ours(whom) from exc
        first = str(exc.value).partition('\n')[0]
        raise operator_errors.NotAnswered(
            f'{whom} could not make the check: {exc.exc_type}: {first}'
        ) from exc
    except messaging.MessagingTimeout as exc:
        raise operator_errors.NotAnswered(f'{whom} does not answer') from exc
    except (exception.NovaException, messaging.MessagingException) as exc:
        raise operator_errors.NotAnswered(
            f'{whom} cannot be asked: {exc}'
        ) from exc


def _not_ours(whom: str) -> operator_errors.NotAnswered:
    return operator_errors.NotAnswered(
        f'{whom} does not know the question: it runs the in-tree driver, or '
        'an older nova-blockmig'
    )
