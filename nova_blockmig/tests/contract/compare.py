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

"""What became of the tests with one class against the other."""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import enum
import json

from nova_blockmig.tests.contract import allowed

RUNNING = 'running'
MISSING = 'missing'
HUNG = 'hung'
DIED = 'died'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one test ended.

    :ivar status: ``pass``, ``skip``, ``xfail``, ``fail``; ``hung`` or
        ``died`` if it took the process with it, ``missing`` if it was not
        run.
    :ivar detail: traceback or reason.
    """

    status: str
    detail: str = ''


class Kind(enum.Enum):
    """What is to be said of a test that did not just pass."""

    DIFFERS = 'differs'
    ALLOWED = 'allowed'
    NOT_NEEDED = 'allowed, but no longer needed'
    UNSTABLE = 'differed once, but not when it was run again'
    IN_TREE_FAILS = 'fails with the in-tree class too'


BAD = (Kind.DIFFERS, Kind.NOT_NEEDED)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One test that somebody should look at.

    :ivar note: why it is allowed, or the traceback with our class.
    """

    kind: Kind
    test: str
    in_tree: str
    ours: str
    note: str = ''


def outcomes(lines: Iterable[str]) -> dict[str, Outcome]:
    """What a recorder wrote, by test.

    A test that began and did not end counts as died, one that was recorded
    twice (once for itself, once for its tearDown) as the worse.
    """
    found: dict[str, Outcome] = {}
    for line in lines:
        record = json.loads(line)
        status = record['status']
        if status == RUNNING:
            found.setdefault(record['test'], Outcome(DIED))
        elif found.get(record['test'], Outcome(DIED)).status != 'fail':
            found[record['test']] = Outcome(status, record['detail'])
    return found


def compare(
    in_tree: Mapping[str, Outcome],
    ours: Mapping[str, Outcome],
    exceptions: Mapping[str, allowed.Allowed],
    whole: bool = True,
) -> list[Finding]:
    """Every test that is worth a word, in order.

    :param exceptions: the allowed differences of this release, by test.
    :param whole: whether all tests ran, so that an exception for a test
        which did not run is one too many.
    """
    findings = []
    for test in sorted({*in_tree, *ours, *(exceptions if whole else ())}):
        finding = _finding(
            test,
            in_tree.get(test, Outcome(MISSING)),
            ours.get(test, Outcome(MISSING)),
            exceptions.get(test),
        )
        if finding is not None:
            findings.append(finding)
    return findings


def differing(findings: Iterable[Finding]) -> list[str]:
    """The tests that ended differently and may not."""
    return [f.test for f in findings if f.kind is Kind.DIFFERS]


def confirmed(
    findings: Iterable[Finding],
    in_tree: Mapping[str, Outcome],
    ours: Mapping[str, Outcome],
) -> list[Finding]:
    """The findings after the differing tests were run once more.

    Nova's functional tests wait for things with time limits, which a busy
    machine does not keep, whatever the class. A difference that is gone the
    second time is still told of.

    :param in_tree: how the tests that were run again ended.
    :param ours: the same with our class.
    """
    return [
        dataclasses.replace(finding, kind=Kind.UNSTABLE)
        if finding.kind is Kind.DIFFERS
        and finding.test in in_tree
        and finding.test in ours
        and in_tree[finding.test].status == ours[finding.test].status == 'pass'
        else finding
        for finding in findings
    ]


def _finding(
    test: str,
    in_tree: Outcome,
    ours: Outcome,
    exception: allowed.Allowed | None,
) -> Finding | None:
    kind, note = None, ours.detail
    if in_tree.status != ours.status:
        kind = Kind.DIFFERS
        if exception is not None and exception.ours == ours.status:
            kind, note = Kind.ALLOWED, exception.reason
    elif exception is not None:
        kind, note = Kind.NOT_NEEDED, exception.reason
    elif in_tree.status in ('fail', HUNG, DIED):
        kind = Kind.IN_TREE_FAILS
    if kind is None:
        return None
    return Finding(kind, test, in_tree.status, ours.status, note)
