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
from nova import servicegroup
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.objects import base as objects_base
from oslo_config import cfg
import oslo_messaging as messaging
from oslo_messaging.rpc import dispatcher

from nova_blockmig.cmd import bus_access
from nova_blockmig.cmd import by_record
from nova_blockmig.compute import endpoint
from nova_blockmig.core import dry_run
from nova_blockmig.core import host_facts
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers
from nova_blockmig.core import travel_time

_PAST = 200
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
                version='1.0',
            )
        )
        self._timeout = timeout

    def instance(self, server_id: str) -> servers.Server:
        """The instance, as far as a check needs it.

        Its status is Nova's vm_state.

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
            return servers.Server(
                id=server_id,
                name=instance.display_name or server_id,
                status=instance.vm_state or '',
                host=instance.host or '',
                task=instance.task_state,
                memory_mb=instance.memory_mb or 0,
            )

    def services(self) -> list[servers.ComputeService]:
        """Every nova-compute of the cell."""
        alive = servicegroup.API()
        with _sentence('nova-conductor'):
            found = objects.ServiceList.get_by_binary(
                self._new_context(), 'nova-compute', include_disabled=True
            )
            return sorted(
                (
                    servers.ComputeService(
                        id=str(service.uuid),
                        host=service.host,
                        up=alive.service_is_up(service),
                        enabled=not service.disabled,
                        reason=service.disabled_reason or '',
                    )
                    for service in found
                ),
                key=lambda service: service.host,
            )

    def past(self, source: str) -> list[travel_time.Past]:
        """Live migrations from a host that were completed, latest first."""
        with _sentence('nova-conductor'):
            found = objects.MigrationList.get_by_filters(
                self._new_context(),
                {
                    'source_compute': source,
                    'migration_type': 'live-migration',
                    'status': 'completed',
                },
                sort_keys=['created_at', 'id'],
                sort_dirs=['desc', 'desc'],
                limit=_PAST,
            )
        return [
            travel_time.Past(
                source=each.source_compute,
                destination=each.dest_compute,
                amount=travel_time.amount(each.memory_total, each.disk_total),
                seconds=(each.updated_at - each.created_at).total_seconds(),
            )
            for each in found
            if each.updated_at and each.created_at
        ]

    def source(
        self, host: str, server_id: str, *, in_tree: bool = False
    ) -> dry_run.Source:
        """How an instance would leave its host.

        :param in_tree: whether for one with the in-tree driver.
        """
        answer = (
            self._call(
                host, 'describe_source', '1.2',
                instance_uuid=server_id, in_tree=True,
            )
            if in_tree
            else self._call(host, 'describe_source', instance_uuid=server_id)
        )  # fmt: skip
        return dry_run.Source.from_plain(answer)

    def record(
        self, host: str, server: servers.Server, disk_over_commit: bool | None
    ) -> dry_run.Destination:
        """What Nova's record of a host has for an instance.

        The host itself is not asked.
        """
        with _sentence('nova-conductor'):
            node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
                self._new_context(), host
            )
        row = objects_base.obj_to_primitive(node)
        return by_record.destination(host, row, server, disk_over_commit)

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

    def facts(self, host: str) -> host_facts.HostFacts:
        """What a host says of itself."""
        answer = self._call(host, 'describe_host', '1.1')
        return host_facts.HostFacts.from_plain(answer)

    def _call(
        self, host: str, method: str, version: str = '1.0', **arguments: Any
    ) -> Any:
        client = self._client.prepare(
            server=host, timeout=self._timeout, version=version
        )
        with _sentence(f'nova-compute on {host}'):
            return client.call(self._new_context(), method, **arguments)


def connect(config_files: Sequence[str], connection: Any | None = None) -> Bus:
    """Read nova.conf and connect as nova-compute does.

    :param config_files: none for those that nova-compute finds.
    :param connection: an openstack.connection.Connection, with whose token
        Glance is asked; None for not asking it.
    :raises operator_errors.CannotAsk: a file cannot be read, or has no
        message bus.
    """
    arguments = [f'--config-file={file}' for file in config_files]
    try:
        config.parse_args(['nova-compute', *arguments], configure_db=False)
    except (cfg.Error, OSError, messaging.MessagingException) as exc:
        raise operator_errors.CannotAsk(
            f'nova.conf does not configure a message bus: {exc}'
        ) from exc
    bus_access.knock()
    objects.register_all()
    # Records come through the conductor, as on a compute host.
    objects_base.NovaObject.indirection_api = conductor_rpcapi.ConductorAPI()
    if connection is None:
        return Bus()
    return Bus(bus_access.with_token(connection))


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
            f'{whom} could not complete the check: {exc.exc_type}: {first}'
        ) from exc
    except messaging.MessagingTimeout as exc:
        raise operator_errors.NotAnswered(f'{whom} does not respond') from exc
    except (exception.NovaException, messaging.MessagingException) as exc:
        raise operator_errors.NotAnswered(
            f'{whom} cannot be reached: {exc}'
        ) from exc


def _not_ours(whom: str) -> operator_errors.NotOurs:
    return operator_errors.NotOurs(
        f'{whom} does not support this request: it runs the in-tree driver or '
        'an older nova-blockmig'
    )
