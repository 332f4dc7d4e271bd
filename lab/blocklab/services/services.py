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

"""Every service of a lab."""

from blocklab.machine.layout import Layout
from blocklab.machine.releases import Release
from blocklab.services import compute_host
from blocklab.services import control_plane
from blocklab.services.service import Service
from blocklab.services.settings import Choices


def all_services(
    layout: Layout, release: Release, choices: Choices
) -> tuple[Service, ...]:
    """The services of a lab, the controller's first."""
    return (
        *control_plane.services(layout, release, choices),
        *(
            service
            for host in layout.computes
            for service in compute_host.services(
                layout, host, release, choices
            )
        ),
    )
