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

"""What became of each test of a run, from its subunit stream."""

from collections.abc import Iterable
from dataclasses import dataclass
import io
from typing import Any

import subunit
import testtools


@dataclass(frozen=True)
class Outcome:
    """One test.

    :ivar test: its full name, without the attributes in brackets. A class
        that is skipped or fails as a whole is named 'setUpClass (CLASS)'.
    :ivar status: as subunit names it; 'success', 'skip', 'fail' among them.
        A test that did not come to its end is 'inprogress'.
    :ivar text: why it was skipped, or the traceback.
    :ivar seconds: how long it took.
    """

    test: str
    status: str
    text: str
    seconds: float


def read(stream: bytes) -> list[Outcome]:
    """The outcomes in a subunit stream (version 2), in their order."""
    found: list[Outcome] = []
    result = testtools.StreamToDict(lambda test: found.append(_outcome(test)))
    result.startTestRun()
    subunit.ByteStreamToStreamResult(
        io.BytesIO(stream), non_subunit_name='output'
    ).run(result)
    result.stopTestRun()
    # What was between two packets is no test.
    return [each for each in found if each.status != 'unknown']


def _outcome(test: Any) -> Outcome:
    texts = [
        detail.as_text()
        for name, detail in sorted(test['details'].items())
        if name in ('reason', 'traceback')
    ]
    began, ended = test['timestamps']
    timed = began is not None and ended is not None
    return Outcome(
        test=test['id'].partition('[')[0],
        status=test['status'],
        text='\n'.join(texts).strip(),
        seconds=(ended - began).total_seconds() if timed else 0.0,
    )


def named(outcomes: Iterable[Outcome], status: str) -> set[str]:
    """The names of the tests with that status."""
    return {each.test for each in outcomes if each.status == status}


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that neither passed nor were skipped, whatever the reason."""
    return [
        each for each in outcomes if each.status not in ('success', 'skip')
    ]
