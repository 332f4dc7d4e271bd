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

"""What goes wrong in the lab, each with a sentence and a way out.

Exit codes of labctl: 0 done, 1 the lab does not work as it should, 2 the
call or the machine is not fit for it and nothing was started.
"""

from pathlib import Path


class LabError(Exception):
    """A failure that the person at the terminal can do something about.

    :param sentence: what happened, one sentence.
    :param way_out: what to do about it, one sentence.
    """

    exit_code = 1

    def __init__(self, sentence: str, way_out: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.way_out = way_out


class BadInput(LabError):
    """The call or the machine is not fit: nothing was started."""

    exit_code = 2


class CommandFailed(LabError):
    """A command that the lab needed ended with an error."""

    def __init__(self, what: str, status: int, output: str) -> None:
        super().__init__(
            f'{what} ended with status {status}.\n{_indent(output)}',
            'Correct the cause above and give the same command again: it '
            'goes on where it stopped.',
        )


class ServiceFailed(LabError):
    """A service of the lab did not come up, or died."""

    def __init__(self, service: str, why: str, log: Path) -> None:
        super().__init__(
            f'{service} {why}. The last lines of {log}:\n'
            f'{_indent(last_lines(log, 15))}',
            f'Read the whole log with "labctl logs {service}", correct the '
            f'cause and give the same command again.',
        )
        self.service = service


def last_lines(path: Path, count: int) -> str:
    """The last lines of a log; empty when there is no such file."""
    try:
        # A service at debug level writes hundreds of MiB in a day.
        with path.open('rb') as log:
            log.seek(max(0, path.stat().st_size - 512 * count))
            text = log.read().decode(errors='replace')
    except FileNotFoundError:
        return ''
    return '\n'.join(text.splitlines()[-count:])


def _indent(text: str) -> str:
    return '\n'.join('    ' + line for line in text.splitlines())
