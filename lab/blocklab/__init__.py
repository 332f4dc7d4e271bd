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

"""Two compute hosts and a control plane on one machine.

The rooms, each of which imports from those below it only:

commands   what labctl does: up, down, demo, tempest and the rest
migration  instances, their moves, and what was seen of them
lab        a lab that is up: its hosts, its cloud, its services
services   what runs on the hosts, and what keeps it running
guest      the guest: its image, its disks, what it says on its console
machine    namespaces, packages, environments, places, errors

services and guest do not know each other. Nothing beyond the standard
library is imported before a sub-command runs: `labctl --help` works before
anything is installed.
"""
