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

"""Running a command to its end, and knowing what it said if it failed."""

from collections.abc import Mapping
from collections.abc import Sequence
import os
from pathlib import Path
import subprocess

from blocklab.machine.errors import CommandFailed
from blocklab.machine.errors import last_lines


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for what the lab starts.

    It does not depend on the caller's, apart from what the caller's
    package index and proxy need: two people get the same lab.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(('PIP_', 'UV_', 'SSL_'))
        or name.lower().endswith('_proxy')
    }
    return {
        'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'HOME': '/root',
        'LC_ALL': 'C.UTF-8',
        **kept,
        **(extra or {}),
    }


def run(
    what: str,
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    extra_environment: Mapping[str, str] | None = None,
    text: str | None = None,
) -> str:
    """Run a command and return its output.

    :param what: what it does, for the message if it fails.
    :param log: where its output goes; then nothing is returned.
    :param text: what it reads on its standard input.
    :raises CommandFailed: it ended with another status than 0.
    """
    words = [str(word) for word in command]
    variables = environment(extra_environment)
    if log is not None:
        _run_into(log, what, words, variables)
        return ''
    done = subprocess.run(
        words,
        input=text or '',
        capture_output=True,
        text=True,
        errors='replace',
        env=variables,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).splitlines()[-15:]
        raise CommandFailed(what, done.returncode, '\n'.join(said))
    return done.stdout


def _run_into(
    log: Path, what: str, words: Sequence[str], variables: Mapping[str, str]
) -> None:
    with log.open('ab') as out:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=variables,
            check=False,
        )
    if done.returncode:
        raise CommandFailed(what, done.returncode, last_lines(log, 15))
