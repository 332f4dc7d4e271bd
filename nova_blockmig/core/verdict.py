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


"""Need against available: one row a resource, and the sentence of them.

Every size is in bytes inside, and written for people in the sentence.
"""

import dataclasses
import enum

Term = tuple[str, int]
"""What a number is, and its signed size."""


@dataclasses.dataclass(frozen=True)
class Available:
    """What there is of something, and the numbers that it comes from.

    :ivar bytes: may be negative; None if it cannot be told.
    :ivar unknown: why it cannot.
    """

    bytes: int | None
    terms: tuple[Term, ...] = ()
    unknown: str = ''


class Resource(enum.StrEnum):
    """The rows of a verdict, in their order."""

    RAM = 'RAM'
    IMAGE_BASE = 'image base'
    DISK = 'disk'


@dataclasses.dataclass(frozen=True)
class Row:
    """One resource: what is needed against what there is."""

    resource: Resource
    need_bytes: int
    available: Available
    unit: str = ''

    @property
    def fits(self) -> bool:
        """A need of zero always fits; an unknown amount fits nothing else."""
        if not self.need_bytes:
            return True
        there = self.available.bytes
        return there is not None and self.need_bytes <= there

    @property
    def name(self) -> str:
        """The resource, and how it is measured."""
        return f'{self.resource} ({self.unit})' if self.unit else self.resource

    def offer(self) -> str:
        """What is available and where it comes from, whatever is needed."""
        there = self.available.bytes
        if there is None:
            return f'{self.name}: {self.available.unknown}'
        return f'{self.name}: {human(there)} available [{self.working()}]'

    def summary(self) -> str:
        """Need and available, in one clause."""
        need = f'{self.name}: needs {human(self.need_bytes)}'
        there = self.available.bytes
        if there is None:
            return f'{need}, available unknown: {self.available.unknown}'
        line = f'{need}, {human(there)} available'
        if self.fits:
            return line
        return f'{line}, {human(self.need_bytes - there)} short'

    def working(self) -> str:
        """Where the available amount comes from; empty if there is no sum."""
        if not self.available.terms:
            return ''
        terms = ', '.join(
            f'{label} {human(amount)}'
            for label, amount in self.available.terms
        )
        return f'{self.resource}: {terms}'


@dataclasses.dataclass(frozen=True)
class Verdict:
    """All rows for one instance on one host."""

    instance: str
    host: str
    rows: tuple[Row, ...]

    @property
    def fits(self) -> bool:
        """Whether every row does."""
        return all(row.fits for row in self.rows)

    def sentence(self) -> str:
        """The whole verdict in one line, what matters first.

        A refusal names every row that does not fit, in fixed order. Nova
        keeps 255 characters of it in an instance's fault and its events, and
        puts up to 150 of its own in front.
        """
        if self.fits:
            rows, verb = self.rows, 'fits'
        else:
            rows = tuple(row for row in self.rows if not row.fits)
            verb = 'does not fit'
        summary = '; '.join(row.summary() for row in rows)
        working = '; '.join(filter(None, (row.working() for row in rows)))
        line = f'{verb} on {self.host}: {summary}'
        if working:
            line += f' [{working}]'
        return line if self.fits else f'{line} (instance {self.instance})'


def human(amount: int) -> str:
    """A size for people, in binary units: ``1.5 GiB``.

    >>> human(7277 * 1024**2), human(-1), human(0)
    ('7.11 GiB', '-1 byte', '0 bytes')
    """
    for unit, name in ((2**40, 'TiB'), (2**30, 'GiB'), (2**20, 'MiB')):
        if abs(amount) >= unit:
            return f'{amount / unit:.2f}'.rstrip('0').rstrip('.') + f' {name}'
    return f'{amount} byte' if abs(amount) == 1 else f'{amount} bytes'
