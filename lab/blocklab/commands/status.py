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

"""labctl status: a line per service."""

from blocklab.lab import Lab
from blocklab.services import processes

_MIB = 1 << 20


def show(name: str) -> int:
    """Print the state of every service; 0 when all are healthy, else 1."""
    lab = Lab(name)
    if not lab.is_up:
        print(f'The lab {name!r} is down. Bring it up with "labctl up".')
        return 1
    running = lab.supervisor.processes()
    problems = lab.problems()
    print(f'lab {name}, OpenStack {lab.settings.choices.release}')
    print(f'{"SERVICE":26} {"PID":>7} {"MiB":>6}  {"HEALTH":9} LOG')
    total = 0
    for service in lab.services:
        pid = running.get(service.name)
        memory = processes.memory(pid) if pid is not None else 0
        total += memory
        health = 'unhealthy' if service.name in problems else 'healthy'
        print(
            f'{service.name:26} {pid or "-":>7} {memory / _MIB:6.0f}  '
            f'{health:9} {service.log}'
        )
    print(f'{"all":26} {"":7} {total / _MIB:6.0f}')
    for service_name, why in problems.items():
        print(f'{service_name} {why}. See "labctl logs {service_name}".')
    return 1 if problems else 0
