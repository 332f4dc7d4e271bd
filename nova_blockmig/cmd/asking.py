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

"""Many hosts are asked at once, and what each of them answers."""

from collections.abc import Callable
from collections.abc import Iterable
from concurrent import futures
import functools
from typing import TYPE_CHECKING

from nova_blockmig.core import dry_run
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers

if TYPE_CHECKING:
    from nova_blockmig.cmd.bus import Bus

# oslo.messaging keeps up to 30 connections.
AT_ONCE = 24

Answer = dry_run.Destination | operator_errors.NotAnswered
Answers = list[tuple[servers.ComputeService, Answer]]


def destination(
    hosts: 'Bus',
    server: servers.Server,
    disk_over_commit: bool | None,
    service: servers.ComputeService,
) -> dry_run.Destination:
    """What a host says, or else its record."""
    host = service.host
    try:
        return hosts.destination(host, server.id, disk_over_commit)
    except operator_errors.NotOurs:
        return hosts.record(host, server, disk_over_commit)


def for_in_tree(
    hosts: 'Bus', server: servers.Server, answers: Answers
) -> tuple[dry_run.Source | None, Answers]:
    """How it would leave for hosts with the in-tree driver, if any.

    A source that cannot tell that leaves nothing to say of them.
    """
    by_record = [
        service.host
        for service, answer in answers
        if isinstance(answer, dry_run.Destination) and answer.by_record
    ]
    if not by_record:
        return None, answers
    try:
        return hosts.source(server.host, server.id, in_tree=True), answers
    except operator_errors.NotAnswered as exc:
        return None, [
            (service, exc if service.host in by_record else answer)
            for service, answer in answers
        ]


def source_for(
    source: dry_run.Source, in_tree: dry_run.Source | None, answer: Answer
) -> dry_run.Source:
    """How it would leave for the host that gave this answer."""
    if isinstance(answer, dry_run.Destination) and answer.by_record:
        return in_tree or source
    return source


def ask_all(
    services: Iterable[servers.ComputeService],
    ask: Callable[[servers.ComputeService], dry_run.Destination],
) -> list[tuple[servers.ComputeService, Answer]]:
    """Ask several hosts at once; each with its answer, in their order."""
    services = list(services)
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(functools.partial(_answer, ask), services)
        return list(zip(services, answers, strict=True))


def _answer(
    ask: Callable[[servers.ComputeService], dry_run.Destination],
    service: servers.ComputeService,
) -> Answer:
    if not service.up:
        return operator_errors.NotAnswered(
            f'nova-compute on {service.host} is down'
        )
    try:
        return ask(service)
    except operator_errors.NotAnswered as exc:
        return exc
