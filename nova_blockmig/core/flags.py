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

"""block_migration_flag: from names to the bits that libvirt is given.

The list decides two things against Nova: whether the guest keeps running
while its memory is copied (LIVE), and which copy of the disks is made. All
else that Nova computes from its own ``[libvirt]`` options stays, and a list
that contradicts it is refused.

libvirt is not imported: its names come in as a mapping from the flag's name
to its bit, because what counts is what the installed binding has.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import difflib

from nova_blockmig.core.flag_rules import BY_FLAG
from nova_blockmig.core.flag_rules import PREFIX
from nova_blockmig.core.flag_rules import RULES
from nova_blockmig.core.flag_rules import Rule
from nova_blockmig.core.flag_rules import Say

OPTION = '[blockmig] block_migration_flag'

_COPIES = (PREFIX + 'NON_SHARED_DISK', PREFIX + 'NON_SHARED_INC')
_SYNCHRONOUS = PREFIX + 'NON_SHARED_SYNCHRONOUS_WRITES'
_LISTED = frozenset(r.flag for r in RULES if r.say is Say.LISTED)

# What cannot go together: if the first is used and the second is not (True)
# or is (False), libvirt or QEMU refuses every migration.
_CONFLICTS = (
    ('POSTCOPY', 'LIVE', True),
    ('ZEROCOPY', 'PARALLEL', True),
    ('ZEROCOPY', 'TLS', False),
    ('ZEROCOPY', 'COMPRESSED', False),
    ('COMPRESSED', 'PARALLEL', False),
)


@dataclasses.dataclass(frozen=True)
class Versions:
    """What the compute host runs, as ``virGetVersion`` counts.

    9.0.0 is 9000000 (major * 1000000 + minor * 1000 + release).
    """

    libvirt: int
    qemu: int


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the list.

    :ivar value: the flag or value that it is about.
    :ivar reason: what is wrong, to follow the value in a sentence.
    :ivar matches: known flags of a similar name, the closest first.
    """

    value: str
    reason: str = ''
    matches: tuple[str, ...] = ()

    def __str__(self) -> str:
        hint = f' (did you mean {" or ".join(self.matches)}?)'
        sentence = f'{self.value} {self.reason}'.rstrip()
        return sentence + (hint if self.matches else '')


class InvalidFlags(Exception):
    """The list cannot be used; every problem of it, in a fixed order."""

    def __init__(
        self, option: str, value: Sequence[str], problems: Sequence[Problem]
    ) -> None:
        self.option = option
        self.value = tuple(value)
        self.problems = tuple(problems)
        super().__init__(
            f'{option} = {",".join(self.value) or "(empty)"} cannot be used: '
            + '; '.join(str(problem) for problem in self.problems)
        )


class TooOld(Exception):
    """The host's libvirt lacks what an option asks for.

    :ivar needed: oldest libvirt that has it, as ``virGetVersion`` counts.
    """

    def __init__(self, option: str, needed: int, found: int) -> None:
        self.option, self.needed, self.found = option, needed, found
        super().__init__(
            f'{option} needs libvirt {_version(needed)}, and this host runs '
            f'{_version(found)}: disable it, or upgrade libvirt'
        )


def effective(
    names: Sequence[str] | None,
    known: Mapping[str, int],
    computed: int,
    versions: Versions,
    option: str = OPTION,
) -> int:
    """The flags of every block migration from this host.

    :param names: the operator's list; None if the option is not set.
    :param known: bit by name, of every flag that the binding has.
    :param computed: the flags that Nova computed for block migrations.
    :param option: what the operator would look for in the configuration.
    :raises InvalidFlags: the list cannot be used.
    """
    if names is None:
        return computed
    if not names:
        empty = "the list is empty: remove it to get Nova's own flags"
        raise InvalidFlags(option, names, [Problem(empty)])
    used = set(names) | (set(describe(computed, known)) - _LISTED)
    problems = [
        *_unusable(names, known),
        *_forbidden(names, known, computed, versions),
        *_incomplete(names),
        *_conflicting(names, used),
    ]
    if problems:
        raise InvalidFlags(option, names, problems)
    bits = computed & ~sum(known[f] for f in _LISTED if f in known)
    for name in names:
        bits |= known[name]
    return bits


def _unusable(
    names: Sequence[str], known: Mapping[str, int]
) -> Iterator[Problem]:
    """Unknown or duplicate values."""
    for name in dict.fromkeys(names):
        if not name.strip():
            yield Problem('an empty value', 'is in the list')
        elif name not in known and name in BY_FLAG:
            yield Problem(name, 'is not in the installed libvirt-python')
        elif name not in known:
            yield Problem(
                name, 'is not a migration flag of libvirt', _close(name, known)
            )
        elif name not in BY_FLAG:
            yield Problem(
                name,
                'is newer than this nova-blockmig, which refuses it',
            )
        if names.count(name) > 1:
            yield Problem(name or 'an empty value', 'is listed more than once')


def _close(name: str, known: Mapping[str, int]) -> tuple[str, ...]:
    """Names like this one; the prefix that all share does not count."""
    word = name.strip().upper().removeprefix(PREFIX)
    words = [flag.removeprefix(PREFIX) for flag in known]
    close = difflib.get_close_matches(word, words, n=2, cutoff=0.7)
    return tuple(PREFIX + match for match in close)


def _forbidden(
    names: Sequence[str],
    known: Mapping[str, int],
    computed: int,
    versions: Versions,
) -> Iterator[Problem]:
    """Flags that are not the list's to name, or that the host lacks."""
    for rule in (BY_FLAG[n] for n in dict.fromkeys(names) if n in BY_FLAG):
        on = bool(computed & known.get(rule.flag, 0))
        if rule.say is Say.REFUSED:
            yield Problem(rule.flag, rule.reason)
        elif rule.say is Say.NOVA and not on:
            yield Problem(
                rule.flag,
                f'{rule.reason}, which is not in effect on this host',
            )
        elif versions.libvirt < rule.libvirt:
            yield _too_old(rule, 'libvirt', rule.libvirt, versions.libvirt)
        elif versions.qemu < rule.qemu:
            yield _too_old(rule, 'QEMU', rule.qemu, versions.qemu)


def _too_old(rule: Rule, what: str, needed: int, found: int) -> Problem:
    return Problem(
        rule.flag,
        f'needs {what} {_version(needed)}, and this host runs '
        f'{_version(found)}',
    )


def _version(number: int) -> str:
    return f'{number // 1000000}.{number // 1000 % 1000}.{number % 1000}'


def _incomplete(names: Sequence[str]) -> Iterator[Problem]:
    """Flags that a block migration requires to work and to be safe."""
    for rule in RULES:
        if rule.say is Say.REQUIRED and rule.flag not in names:
            yield Problem(rule.flag, rule.reason)
    copies = [flag for flag in _COPIES if flag in names]
    if len(copies) != 1:
        yield Problem(
            ' and '.join(_COPIES),
            'exclude each other: keep one of them'
            if copies
            else 'are both missing: without one of them no disk is copied',
        )


def _conflicting(names: Sequence[str], used: set[str]) -> Iterator[Problem]:
    """Flags that cannot go with others of the list or of Nova's."""
    tunnelled = PREFIX + 'TUNNELLED'
    if tunnelled in used and tunnelled not in names:
        yield Problem(
            '[libvirt] live_migration_tunnelled',
            'is enabled, but tunnelled migrations cannot copy disks: disable '
            'it, or remove this option',
        )
    for first, second, needed in _CONFLICTS:
        one, other = PREFIX + first, PREFIX + second
        if one in used and (other not in used) == needed:
            word = 'requires' if needed else 'cannot be combined with'
            yield Problem(one, f'{word} {other}{_switches(names, one, other)}')


def _switches(names: Sequence[str], *flags: str) -> str:
    """Which of Nova's options turn these flags on or off."""
    rules = [BY_FLAG[flag] for flag in flags]
    told = [
        f'{rule.flag} {rule.reason}' for rule in rules if rule.say is Say.NOVA
    ]
    return f', and {" and ".join(told)}' if told else ''


def cautions(bits: int, known: Mapping[str, int]) -> tuple[str, ...]:
    """What the operator should know of flags that may be used."""
    used = describe(bits, known)
    found = []
    if PREFIX + 'LIVE' not in used:
        found.append(
            'Block migrations run without VIR_MIGRATE_LIVE: each guest is '
            'paused after its disks are copied, until its memory has been '
            'copied. Add VIR_MIGRATE_LIVE to block_migration_flag to keep '
            'guests running.'
        )
    if PREFIX + 'TUNNELLED' in used:
        found.append(
            'libvirt will refuse every block migration of local disks: '
            '[libvirt] live_migration_tunnelled is enabled, and tunnelled '
            'migrations cannot copy disks. Use [libvirt] '
            'live_migration_with_native_tls instead.'
        )
    return tuple(found)


def describe(bits: int, known: Mapping[str, int]) -> tuple[str, ...]:
    """The flags by name, in the order of their bits.

    A bit that the binding has no name for is there as a number (``0x20``).
    """
    by_bit = {bit: name for name, bit in known.items()}
    single = (1 << i for i in range(bits.bit_length()))
    return tuple(by_bit.get(b, hex(b)) for b in single if bits & b)


def copying(known: Mapping[str, int]) -> int:
    """What Nova leaves in the flags for a guest without disks to copy.

    Nova takes away NON_SHARED_INC only. With NON_SHARED_DISK and no list of
    disks libvirt copies every disk, the volumes too; synchronous writes
    without a copy are an error.
    """
    left = (PREFIX + 'NON_SHARED_DISK', _SYNCHRONOUS)
    return sum(known.get(flag, 0) for flag in left)
