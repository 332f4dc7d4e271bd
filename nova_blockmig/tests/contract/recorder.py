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

"""Writes what became of each test, one JSON object a line.

The file is written while the tests run, so that whoever waits sees which
test is running, and nothing is lost if the process ends before its time.
"""

from collections.abc import Callable
import json
import traceback
from typing import Any
from typing import TextIO

import testtools

from nova_blockmig.tests.contract import compare


class Recorder(testtools.TestResult):
    """Records outcomes of tests of unittest and testtools.

    :param stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def startTest(self, test: Any) -> None:  # noqa: N802
        super().startTest(test)
        self._write(test, compare.RUNNING, '')

    def _write(self, test: Any, status: str, detail: str) -> None:
        json.dump(
            {'test': test.id(), 'status': status, 'detail': detail},
            self._stream,
        )
        self._stream.write('\n')
        self._stream.flush()

    @staticmethod
    def _recording(status: str) -> Callable[..., None]:
        def add(
            self: 'Recorder',
            test: Any,
            err: Any = None,
            details: Any = None,
        ) -> None:
            self._write(test, status, _text(err, details))

        return add

    addSuccess = _recording('pass')  # noqa: N815
    addSkip = _recording('skip')  # noqa: N815
    addExpectedFailure = _recording('xfail')  # noqa: N815
    addError = _recording('fail')  # noqa: N815
    addFailure = _recording('fail')  # noqa: N815
    # A test that is expected to fail and does not has failed, for unittest.
    addUnexpectedSuccess = _recording('fail')  # noqa: N815


def _text(err: Any, details: Any) -> str:
    if isinstance(err, str):
        return err
    if err is not None:
        return ''.join(traceback.format_exception(*err))
    return '\n'.join(
        content.as_text()
        for name, content in (details or {}).items()
        if name.startswith(('traceback', 'reason'))
    )
