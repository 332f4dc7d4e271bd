# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Bringing a lab up, from whatever state the machine is in."""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions as openstack_exceptions

from blocklab.commands import down
from blocklab.commands import install
from blocklab.guest import glance
from blocklab.lab import Lab
from blocklab.machine import graph
from blocklab.machine import mirrors
from blocklab.machine import mounts
from blocklab.machine import network
from blocklab.machine import preflight
from blocklab.machine.errors import BadInput
from blocklab.machine.errors import LabError
from blocklab.machine.graph import Step
from blocklab.machine.layout import CONTROLLER
from blocklab.machine.layout import HostLayout
from blocklab.machine.layout import Layout
from blocklab.machine.progress import Progress
from blocklab.services import cloud
from blocklab.services import config
from blocklab.services import database
from blocklab.services import keeper
from blocklab.services import openvswitch
from blocklab.services import processes
from blocklab.services import settings as lab_settings
from blocklab.services.settings import Choices

# Steps side by side. Most wait for something else than a processor.
_WIDTH = 8


def bring_up(
    layout: Layout, choices: Choices, progress: Progress | None = None
) -> Lab:
    """Bring a lab up; what is up already stays as it is.

    :raises LabError: it does not come up.
    """
    progress = progress or Progress()
    preflight.check(cinder=choices.cinder)
    _remember(layout, choices)
    install.install(layout, choices, progress)
    lab = Lab(layout.name, progress)
    _prepare(lab)
    graph.run(_steps(lab), _WIDTH)
    if choices.cinder:
        # The connection may be from before Cinder was in the catalog.
        lab = Lab(layout.name, progress)
    lab.wait_until_reporting()
    progress.say(f'The lab {layout.name!r} is up.')
    return lab


def change(layout: Layout, **choices: Any) -> Lab:
    """Bring a known lab up with some of its choices made anew.

    :param choices: fields of `Choices`.
    :raises LabError: it does not come up.
    """
    known = Lab(layout.name).settings.choices
    return bring_up(layout, dataclasses.replace(known, **choices))


def _remember(layout: Layout, choices: Choices) -> None:
    known = lab_settings.load(layout.settings)
    if known is None:
        network.refuse_foreign(layout)
        layout.state.mkdir(parents=True, exist_ok=True)
        lab_settings.create(layout.settings, choices)
    elif known.choices.release != choices.release:
        raise BadInput(
            f'The lab {layout.name!r} runs OpenStack '
            f'{known.choices.release}, not {choices.release}.',
            'Remove it first with "labctl down --wipe", or choose another '
            'name with --name.',
        )
    elif known.choices != choices:
        _refuse_guests(layout, known.choices, choices)
        known.choices = choices
        known.save()


def _refuse_guests(layout: Layout, before: Choices, wanted: Choices) -> None:
    for host in layout.computes:
        name = host.name
        changes = before.systems.get(name) != wanted.systems.get(name)
        if changes and processes.guests(host):
            raise BadInput(
                f'Guests run on {name}: it cannot get another Debian release '
                'now.',
                'Migrate them away first, or remove them with "labctl reset".',
            )


def _prepare(lab: Lab) -> None:
    layout = lab.layout
    for host in layout.hosts:
        (host.directory / 'tmp').mkdir(parents=True, exist_ok=True)
    for directory in (
        'glance/images', 'glance/staging', 'glance/tasks', 'glance/lock',
        'neutron/lock', 'rabbitmq', 'hosts/controller/nova/lock',
        'cinder/lock', 'cinder/volumes',
    ):  # fmt: skip
        (layout.state / directory).mkdir(parents=True, exist_ok=True)
    config.write(config.files(layout, lab.release, lab.settings))
    systems = lab.settings.choices.systems
    if not network.exists(layout):
        down.remove_what_runs(layout, lab.supervisor)
        with lab.progress.step('namespaces and links'):
            network.create(layout, systems)
    for host in layout.computes:
        if mounts.system(host) != systems.get(host.name):
            _change_system(lab, host)
    entry = config.supervisor(layout, lab.services)
    changed = config.write({lab.supervisor.config: entry})
    if not lab.is_up:
        lab.supervisor.start()
    elif changed:
        lab.supervisor.reload()


def _change_system(lab: Lab, host: HostLayout) -> None:
    """Give a compute host without guests another Debian release."""
    wanted = lab.settings.choices.systems.get(host.name)
    with lab.progress.step(f'{host.name}: Debian {wanted or mirrors.own()}'):
        if lab.is_up:
            for name in lab.supervisor.processes():
                if name.endswith(f'@{host.name}'):
                    lab.supervisor.stop(name)
        processes.end(processes.on(host), patience=5)
        mounts.change_system(host, wanted)


def _steps(lab: Lab) -> dict[str, Step]:
    """All the work, by name; see `graph.run` for the order."""
    layout = lab.layout
    keep = keeper.Keeper(layout, lab.supervisor, lab.progress)
    steps = {
        'database files': Step(lambda: database.install(layout)),
        'switch files': Step(lambda: openvswitch.create_databases(layout)),
    }
    for service in lab.services:
        steps[service.name] = Step(
            functools.partial(keep.ensure, service), _needs(service.name)
        )
    for host in layout.computes:
        steps[f'identity@{host.name}'] = Step(
            functools.partial(openvswitch.identify, host, layout.controller),
            (f'ovsdb@{host.name}',),
        )
    steps.update(_once(lab))
    steps['image'] = Step(
        lambda: _plainly('image', functools.partial(_image, lab)),
        ('catalog', 'glance'),
    )
    return steps


def _plainly(name: str, work: Callable[[], None]) -> None:
    try:
        work()
    except (
        openstack_exceptions.SDKException,
        keystone_exceptions.ClientException,
    ) as error:
        raise LabError(
            f'The step "{name}" failed: {error}',
            'See "labctl status" and the log of the service that answered '
            'so, and give the same command again.',
        ) from error


def _image(lab: Lab) -> None:
    image = glance.build(lab.progress)
    # Asked every time: an edit of the guest makes another image.
    if glance.upload(lab.cloud, image):
        lab.progress.say('guest image uploaded')


def _needs(service: str) -> tuple[str, ...]:
    """The steps that a service waits for."""
    name, _, host = service.partition('@')
    if host and name == 'nova-compute':
        return (
            'nova-conductor', 'catalog', 'placement', f'libvirtd@{host}',
            f'ovn-controller@{host}',
        )  # fmt: skip
    control = (
        'rabbitmq', 'nova api tables', 'nova cell0 tables',
        'nova cell1 tables',
    )  # fmt: skip
    cinder = ('rabbitmq', 'cinder tables', 'cinder catalog')
    return {
        'mariadb': ('database files',),
        'ovn-nb': ('switch files',),
        'ovn-sb': ('switch files',),
        'ovn-northd': ('ovn-nb', 'ovn-sb'),
        'keystone': ('keystone tables',),
        'placement': ('placement tables',),
        'glance': ('glance tables',),
        'neutron': ('neutron tables', 'ovn-nb', 'ovn-sb', 'rabbitmq'),
        'nova-api': control,
        # It asks keystone for a token when it starts.
        'nova-conductor': (*control, 'catalog'),
        'nova-scheduler': (*control, 'catalog', 'placement'),
        'ovsdb': ('switch files',),
        'ovs-vswitchd': (f'identity@{host}',),
        'ovn-controller': (f'ovs-vswitchd@{host}', 'ovn-sb'),
        'cinder-api': cinder,
        'cinder-scheduler': cinder,
        'cinder-volume': cinder,
    }.get(name, ())


def _once(lab: Lab) -> dict[str, Step]:
    """The steps that are done once in a lab's life."""
    return {
        name: Step(
            functools.partial(_unless_done, lab, name, step.work), step.needs
        )
        for name, step in {**_database_steps(lab), **_cloud_steps(lab)}.items()
    }


def _unless_done(lab: Lab, name: str, work: Callable[[], None]) -> None:
    if name in lab.settings.done:
        return
    with lab.progress.step(name):
        _plainly(name, work)
    lab.settings.mark_done(name)


def _database_steps(lab: Lab) -> dict[str, Step]:
    layout, settings = lab.layout, lab.settings
    tables = database.Tables(layout, lab.release, settings)
    create = functools.partial(database.create, layout, settings)
    steps = {
        'databases': Step(create, ('mariadb',)),
        **{
            name: Step(work, ('databases',))
            for name, work in tables.steps().items()
        },
    }
    if settings.choices.cinder:
        steps['cinder tables'] = Step(tables.cinder, ('databases',))
    return steps


def _cloud_steps(lab: Lab) -> dict[str, Step]:
    passwords = lab.settings.passwords
    controller = lab.host(CONTROLLER)

    def catalog(services: cloud.Services) -> None:
        # A connection of its own: the catalog comes with the token, and
        # this token is from before there is one.
        first = cloud.connect(controller, passwords['admin'])
        address = controller.layout.address
        cloud.create_catalog(first, address, passwords['service'], services)

    steps = {
        'catalog': Step(lambda: catalog(cloud.SERVICES), ('keystone',)),
        'network': Step(
            lambda: cloud.create_network(lab.cloud),
            ('catalog', 'neutron', 'ovn-northd'),
        ),
        'flavor': Step(
            lambda: cloud.create_flavor(lab.cloud), ('catalog', 'nova-api')
        ),
    }
    if lab.settings.choices.cinder:
        steps['cinder catalog'] = Step(
            lambda: catalog(cloud.CINDER), ('catalog',)
        )
    return steps
