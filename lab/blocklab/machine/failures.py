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

"""What the person at the terminal is told when something goes wrong.

Never a traceback, unless it is asked for with --debug: what was foreseen has
a sentence and a way out, anything else one sentence and the log that has the
rest.
"""

from collections.abc import Callable
import contextlib
import datetime
import os
import shlex
import sys
import traceback

from blocklab.machine import layout
from blocklab.machine.errors import LabError

LOG = 'labctl.log'


def told(work: Callable[[], int], *, debug: bool = False) -> int:
    """Do the work of labctl; the exit code, whatever happens.

    :param debug: show the traceback of a failure too.
    """
    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say(
            'interrupted. Give the command again to go on, or "labctl down" '
            'to clean up.'
        )
        return 1
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _output_is_closed():
            return 1
        if debug:
            traceback.print_exc()
        if isinstance(error, LabError):
            _say(f'{error.sentence}\n{error.way_out}')
            return error.exit_code
        _say(f'{_in_one_line(error)}\n{_way_out(error)}')
        return 1
    return code


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(f'labctl: {text}', file=sys.stderr)


def _in_one_line(error: Exception) -> str:
    said = ' '.join(str(error).split())
    kind = type(error).__name__
    return f'this was not foreseen: {kind}: {said}' if said else (
        f'this was not foreseen: {kind}.'
    )  # fmt: skip


def _way_out(error: Exception) -> str:
    path = layout.ROOT / LOG
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        with open(descriptor, 'a', encoding='utf-8') as log:
            now = (
                datetime.datetime.now().astimezone().isoformat('T', 'seconds')
            )
            log.write(f'--- {now} {shlex.join(sys.argv)}\n')
            log.writelines(traceback.format_exception(error))
    except OSError as problem:
        return (
            f'It could not be logged either ({problem}); "labctl --debug" '
            'with the same command shows the rest.'
        )
    return (
        f'{path} has the rest; "labctl --debug" with the same command shows '
        'it.'
    )


def _output_is_closed() -> bool:
    """Whether nobody reads what we write any more, as after "| head"."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would try again when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
