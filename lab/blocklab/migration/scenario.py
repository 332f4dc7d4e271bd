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

"""Flavors and instances for the demo and the lab's tests."""

from dataclasses import dataclass
from typing import Any

from blocklab.guest import glance
from blocklab.guest.console import Summary
from blocklab.lab import Lab
from blocklab.migration.instance import Instance
from blocklab.services import cloud


@dataclass(frozen=True)
class Flavor:
    """A flavor; the default is shaped like the m1.medium of old.

    :ivar memory_mib: memory in MiB, small: the guest needs 128.
    :ivar disk_gib: root disk in GiB; 0 means the image's size.
    :ivar ephemeral_gib: all ephemeral disks together, in GiB.
    :ivar swap_mib: swap disk in MiB.
    """

    memory_mib: int = 256
    vcpus: int = 1
    disk_gib: int = 10
    ephemeral_gib: int = 20
    swap_mib: int = 512

    @property
    def name(self) -> str:
        """A name that says what it is, so equal flavors share one."""
        return (
            f'lab.{self.memory_mib}m.{self.vcpus}c.{self.disk_gib}d'
            f'.{self.ephemeral_gib}e.{self.swap_mib}s'
        )

    def ensure(self, lab: Lab, name: str | None = None) -> Any:
        """Nova's flavor of this shape, made if it is not there.

        :param name: its name in Nova, if not `Flavor.name`.
        """
        compute = lab.cloud.compute
        name = name or self.name
        return compute.find_flavor(name) or compute.create_flavor(
            name=name,
            ram=self.memory_mib,
            vcpus=self.vcpus,
            disk=self.disk_gib,
            ephemeral=self.ephemeral_gib,
            swap=self.swap_mib,
        )


def boot(
    lab: Lab,
    name: str,
    flavor: Any,
    *,
    host: str,
    image: str | None = glance.NAME,
    network: bool = True,
    config_drive: bool = True,
    timeout: float = 180,
    **options: Any,
) -> Instance:
    """Boot an instance on a host and wait until Nova has it ACTIVE.

    :param flavor: a `Flavor`, or a flavor of the SDK.
    :param image: name or id of the image; None to boot from a volume that
        is among the options.
    :param options: more arguments of the SDK's create_server, such as
        user_data or block_device_mapping.
    :raises Unexpected: it does not get there.
    """
    if isinstance(flavor, Flavor):
        flavor = flavor.ensure(lab)
    compute = lab.cloud.compute
    if network:
        net = lab.cloud.network.find_network(cloud.NETWORK)
        options['networks'] = [{'uuid': net.id}]
    else:
        options['networks'] = 'none'
    server = compute.create_server(
        name=name,
        flavor_id=flavor.id,
        image_id=lab.cloud.image.find_image(image).id if image else '',
        config_drive=config_drive,
        host=host,
        **options,
    )
    instance = Instance(lab, server.id)
    instance.wait_for_status('ACTIVE', timeout)
    return instance


def find(lab: Lab, name: str) -> Instance | None:
    """The instance of that name, if there is one."""
    server = lab.cloud.compute.find_server(name, all_projects=True)
    return None if server is None else Instance(lab, server.id)


def writing(
    instance: Instance, ticks: int = 5, timeout: float = 180
) -> Summary:
    """Wait until the guest has looked at each of its disks at least once.

    :param ticks: rounds of the writer; from the fifth on it has looked at
        everything, the config drive included.
    :returns: what the guest has said.
    :raises Unexpected: it does not get there.
    """
    return instance.wait_for_guest(
        lambda guest: (
            guest.tick > ticks
            and any(check == 'static' for _, check in guest.last)
        ),
        f'{ticks} rounds of its writer',
        timeout,
    )
