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
"""QEMU's own block-stream job on a disk that no guest uses."""

import json
import subprocess
from typing import Any


def flatten(overlay: str) -> None:
    """Pull a raw base into a qcow2 overlay, as a flattening does.

    :raises RuntimeError: QEMU refuses.
    """
    disk = {
        'driver': 'qcow2',
        'node-name': 'disk',
        'file': {'driver': 'file', 'filename': overlay},
    }
    with subprocess.Popen(
        [
            *('qemu-storage-daemon', '--chardev', 'stdio,id=monitor'),
            *('--monitor', 'chardev=monitor', '--blockdev', json.dumps(disk)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        _command(daemon, 'qmp_capabilities')
        # A short job has ended before QEMU says that it has begun.
        events = _command(
            daemon, 'block-stream', **{'job-id': 'job', 'device': 'disk'}
        )
        while not (ended := _ended(events)):
            events = [_read(daemon)]
        _command(daemon, 'quit')
    if error := ended['data'].get('error'):
        raise RuntimeError(f'block-stream: {error}')


def _ended(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    for event in events:
        if event.get('event') == 'BLOCK_JOB_COMPLETED':
            return event
    return None


def _command(daemon: Any, name: str, **arguments: Any) -> list[dict[str, Any]]:
    """Give a command; what QEMU said before its answer."""
    request = {'execute': name, 'arguments': arguments}
    daemon.stdin.write(json.dumps(request) + '\n')
    daemon.stdin.flush()
    before = []
    while 'return' not in (said := _read(daemon)):
        if 'error' in said:
            raise RuntimeError(f'{name}: {said["error"]["desc"]}')
        before.append(said)
    return before


def _read(daemon: Any) -> dict[str, Any]:
    line = daemon.stdout.readline()
    if not line:
        raise RuntimeError('qemu-storage-daemon ended')
    said: dict[str, Any] = json.loads(line)
    return said
