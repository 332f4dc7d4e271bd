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
"""How an ephemeral disk's base gets to the destination, by its size.

Inline: packed, encrypted, and made there anew. Flattened: pulled into its
overlay by QEMU, whose copy then has more to do. Copied whole: as
NON_SHARED_DISK does. Without a network: what would be sent is counted.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import functools
import json
import os
import subprocess
import tempfile
import types
from typing import Any
import uuid

import nova.conf
from oslo_log import log as logging

from nova_blockmig.compute import inline_disks
from nova_blockmig.compute import inspection
from nova_blockmig.core import content
from nova_blockmig.core import model
from nova_blockmig.host import identity
from nova_blockmig.host import sealing
from nova_blockmig.tests.bench import measure
from nova_blockmig.tests.bench import rows
from nova_blockmig.tests.bench import streaming

GIB, MIB, KIB = 2**30, 2**20, 2**10
SIZES = {'tiny': (1,), 'normal': (1, 20, 100, 1000)}
CONF = nova.conf.CONF


def run(options: rows.Options) -> Iterator[rows.Case]:
    logging.getLogger('nova_blockmig').logger.setLevel('WARNING')
    for size in options.choose(**SIZES):
        with (
            tempfile.TemporaryDirectory(dir='/var/tmp') as directory,
            _instances_path(directory),
        ):
            yield _case(size, directory, options.turns)


def _case(gib: int, directory: str, turns: int) -> rows.Case:
    base = os.path.join(directory, 'base')
    with open(base, 'wb') as file:
        file.truncate(gib * GIB)
    subprocess.run(
        ['mkfs', '-t', 'ext4', '-F', '-q', '-L', 'ephemeral0', base],
        check=True,
    )
    case: rows.Case = {'gib': gib}
    found: dict[str, list[measure.Cost]] = {}

    def note(name: str, call: Callable[..., Any], *args: Any) -> Any:
        cost = measure.cost(functools.partial(call, *args))
        found.setdefault(name, []).append(cost)
        return cost.result

    disk = _disk(directory, base, gib)
    for turn in range(turns):
        bases = inspection.PackedBases(model.Policy.max_inline_bytes)
        packed = note('pack', bases.packed, disk)
        note('again', bases.packed, disk)
        if packed is not None:
            sealed, *rest = note('seal', _seal, packed)
            case['inline_bytes'] = 4 * -(-len(sealed) // 3)  # base64
            note('make', _make, directory, turn, gib, sealed, *rest)
        overlay = _overlay(directory, base, gib, f'flat{turn}')
        note('flatten', streaming.flatten, overlay)
        case['flatten_bytes'] = _data_bytes(overlay)
        overlay = _overlay(directory, base, gib, f'whole{turn}')
        case['copy_bytes'] = _data_bytes(overlay)
        note('copy', _copy, overlay)
    for name, costs in found.items():
        case[f'{name}_seconds'] = measure.median(costs)
        case[f'{name}_cpu_seconds'] = measure.median(costs, 'cpu_seconds')
    case['inline_seconds'] = sum(
        case.get(f'{name}_seconds', 0) for name in ('pack', 'seal', 'make')
    )
    case['read_bytes'] = found['pack'][0].read_bytes
    case['again_read_bytes'] = found['again'][0].read_bytes
    return case


def _disk(directory: str, base: str, gib: int) -> model.Disk:
    return model.Disk(
        name='disk.eph0',
        path=os.path.join(directory, 'disk.eph0'),
        target='vdb',
        format='qcow2',
        virtual_bytes=gib * GIB,
        allocated_bytes=0,
        base=model.Base(
            path=base,
            kind=model.BaseKind.HOST_GENERATED,
            added_bytes=gib * GIB,
            key=identity.of_path(base).key,
            certain=True,
        ),
    )


_CONTEXT = sealing.Context(str(uuid.uuid4()), 'disk.eph0')


def _seal(packed: content.Packed) -> tuple[bytes, sealing.KeyPair, bytes]:
    destination, source = sealing.KeyPair(), sealing.KeyPair()
    sealed = source.seal(destination.public_key, _CONTEXT, packed.to_bytes())
    return sealed, destination, source.public_key


def _make(
    directory: str,
    turn: int,
    gib: int,
    sealed: bytes,
    keys: sealing.KeyPair,
    sender: bytes,
) -> None:
    there = os.path.join(directory, f'there{turn}')
    os.mkdir(there)
    packed = content.Packed.from_bytes(keys.open(sender, _CONTEXT, sealed))
    instance: Any = types.SimpleNamespace(uuid=_CONTEXT.instance)
    info = {
        'path': os.path.join(there, 'disk.eph0'),
        'type': 'qcow2',
        'virt_disk_size': gib * GIB,
    }
    inline_disks.make(instance, there, info, packed)


def _overlay(directory: str, base: str, gib: int, name: str) -> str:
    path = os.path.join(directory, name)
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw',
         path, f'{gib}G'],
        check=True,
    )  # fmt: skip
    return path


def _copy(overlay: str) -> None:
    subprocess.run(
        ['qemu-img', 'convert', '-f', 'qcow2', '-O', 'qcow2', overlay,
         f'{overlay}.copy'],
        check=True,
    )  # fmt: skip


def _data_bytes(path: str) -> int:
    """What QEMU's copy of a disk reads and sends: what is not zero."""
    said = subprocess.run(
        ['qemu-img', 'map', '--output=json', path],
        check=True,
        capture_output=True,
    ).stdout
    return sum(
        part['length']
        for part in json.loads(said)
        if part['data'] and not part['zero']
    )


@contextlib.contextmanager
def _instances_path(directory: str) -> Iterator[None]:
    CONF.set_override('instances_path', directory)
    try:
        yield
    finally:
        CONF.clear_override('instances_path')


ROW = rows.Row(
    name='preparation',
    title='Preparing an ephemeral disk',
    run=lambda options: list(run(options)),
    columns=(
        rows.Column('GiB', 'gib'),
        rows.Column('Packed, s', 'pack_seconds', '.3f'),
        rows.Column('Packed again, s', 'again_seconds', '.5f'),
        rows.Column('Encrypted, s', 'seal_seconds', '.4f'),
        rows.Column('Made there, s', 'make_seconds', '.3f'),
        rows.Column('In the message, KiB', 'inline_bytes', '.0f', KIB),
        rows.Column('Flattened, s', 'flatten_seconds', '.3f'),
        rows.Column('Then to copy, MiB', 'flatten_bytes', '.0f', MIB),
        rows.Column('Copied whole, s', 'copy_seconds', '.3f'),
        rows.Column('Copied, MiB', 'copy_bytes', '.0f', MIB),
    ),
    plots=(
        rows.Plot(
            title='Preparing an ephemeral disk',
            across='gib',
            across_title='GiB',
            up_title='seconds',
            lines=(
                ('inline', 'inline_seconds'),
                ('inline, known already', 'again_seconds'),
                ('flattened', 'flatten_seconds'),
                ('copied whole', 'copy_seconds'),
            ),
        ),
    ),
)
