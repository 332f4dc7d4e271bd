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

"""What the guest says on its serial console, as typed records.

A record is one line: BLOCKMIG, then key=value pairs, some with a word
before them; lab/guest/README.rst lists them all. Anything else on the
console is the kernel's or a shell's.
"""

from collections.abc import Iterable
import dataclasses
from dataclasses import dataclass
from dataclasses import field
import re

from blocklab.guest.records import Boot
from blocklab.guest.records import Config
from blocklab.guest.records import Disk
from blocklab.guest.records import Error
from blocklab.guest.records import KernelError
from blocklab.guest.records import Mismatch
from blocklab.guest.records import Network
from blocklab.guest.records import Record
from blocklab.guest.records import Recovered
from blocklab.guest.records import ReplyEnd
from blocklab.guest.records import ReplyPart
from blocklab.guest.records import Tick
from blocklab.guest.records import Unreadable

_RECORD = re.compile(r'BLOCKMIG (?:([a-z]+) )?((?:[a-z0-9_]+=\S+ ?)+)$')
_KERNEL_ERROR = re.compile(
    r'I/O error|Kernel panic|EXT4-fs error|JBD2: .*rror|FAT-fs .*error'
    r'|XFS .*([Cc]orrupt|shut ?down|error)|Remounting filesystem read-only'
    r'|BUG:|Oops:|kernel BUG at|general protection fault'
    r'|list_(add|del) corruption'
)

_RECORDS: dict[str, tuple[type, ...]] = {
    'boot': (Boot,),
    'disk': (Disk,),
    'config': (Config,),
    'network': (Network,),
    'recovered': (Recovered,),
    '': (Tick,),
    'mismatch': (Mismatch,),
    'error': (Error,),
    'reply': (ReplyPart, ReplyEnd),
}


def parse(text: str) -> list[Record]:
    """The records in a console's text, in order; other lines are left out.

    The last line counts only when it is complete.
    """
    complete, _, _ = text.rpartition('\n')
    records = (_parse_line(line.strip()) for line in complete.split('\n'))
    return [record for record in records if record is not None]


def _parse_line(line: str) -> Record | None:
    if 'BLOCKMIG ' not in line:
        return KernelError(line) if _KERNEL_ERROR.search(line) else None
    if not (match := _RECORD.search(line)):
        return Unreadable(line)
    pairs = dict(pair.split('=', 1) for pair in match[2].split())
    for record_type in _RECORDS.get(match[1] or '', ()):
        fields = dataclasses.fields(record_type)
        if {f.name for f in fields} != pairs.keys():
            continue
        try:
            record: Record = record_type(
                **{f.name: _value(f.type, pairs[f.name]) for f in fields}
            )
        except ValueError:
            break
        return record
    return Unreadable(line)


def _value(kind: object, word: str) -> int | str:
    return int(word) if kind is int else word


@dataclass(frozen=True)
class Summary:
    """What the guest has said since its last boot.

    :ivar boot: None when the text does not go back to a boot, as on the
        destination of a live migration.
    :ivar last: (disk, check) -> the latest look.
    :ivar kernel: the kernel's lines about errors.
    """

    boot: Boot | None = None
    disks: dict[str, Disk] = field(default_factory=dict)
    config: Config | None = None
    network: Network | None = None
    recovered: dict[str, Recovered] = field(default_factory=dict)
    last: dict[tuple[str, str], Tick] = field(default_factory=dict)
    found: tuple[Mismatch, ...] = ()
    errors: tuple[Error, ...] = ()
    kernel: tuple[KernelError, ...] = ()

    @property
    def tick(self) -> int:
        """The number of the latest round; 0 before the first."""
        return max((tick.tick for tick in self.last.values()), default=0)

    @property
    def mismatches(self) -> int:
        """How many things read wrong since the guest's boot."""
        per_disk: dict[str, int] = {}
        for tick in self.last.values():
            # The writer counts per disk, whatever the check was.
            per_disk[tick.disk] = max(
                tick.mismatches, per_disk.get(tick.disk, 0)
            )
        recovered = sum(r.mismatches for r in self.recovered.values())
        return max(sum(per_disk.values()), len(self.found)) + recovered

    @property
    def sound(self) -> bool:
        """Whether the guest has seen nothing wrong, and has looked."""
        wrong = self.mismatches or self.errors or self.kernel
        return bool(self.last) and not wrong


def summarize(records: Iterable[Record]) -> Summary:
    """The state of the guest, from records in order."""
    summary = Summary()
    for record in records:
        match record:
            case Boot():
                summary = Summary(boot=record)
            case Disk():
                summary.disks[record.disk] = record
            case Config():
                summary = dataclasses.replace(summary, config=record)
            case Network():
                summary = dataclasses.replace(summary, network=record)
            case Recovered():
                summary.recovered[record.disk] = record
            case Tick():
                summary.last[record.disk, record.check] = record
            case Mismatch():
                found = (*summary.found, record)
                summary = dataclasses.replace(summary, found=found)
            case Error():
                errors = (*summary.errors, record)
                summary = dataclasses.replace(summary, errors=errors)
            case KernelError():
                kernel = (*summary.kernel, record)
                summary = dataclasses.replace(summary, kernel=kernel)
    return summary
