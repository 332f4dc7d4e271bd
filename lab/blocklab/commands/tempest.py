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

"""labctl tempest: tempest's tests, and those of our plug-in, on a lab.

Tempest and our plug-in, which it finds through its entry point, are installed
beside the services. What a run leaves, tempest.conf and the results, is in
STATE/tempest until the next one.
"""

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
import contextlib
from pathlib import Path
import shutil
import subprocess
from typing import Any

from blocklab.machine.errors import BadInput
from blocklab.machine.errors import LabError
from blocklab.machine.errors import last_lines

OURS = '^nova_blockmig'

# section -> option -> value
Options = Mapping[str, Mapping[str, str]]


def add_parser(subparsers: Any) -> None:
    """Register the sub-command."""
    tempest = subparsers.add_parser(
        'tempest',
        help="run tempest's tests or our plug-in's",
        description='Install tempest if it is not, and run tests with what '
        'the lab runs now. Exit code 0 only if tests passed and none failed.',
    )
    tempest.add_argument(
        '--regex',
        default=OURS,
        help="which tests, as tempest's own option has it (default: "
        '%(default)s)',
    )
    tempest.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='SECTION.OPTION=VALUE',
        help='a setting for tempest.conf',
    )
    tempest.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from blocklab.commands import outcomes
    from blocklab.lab import Lab

    wanted = options(arguments.set)
    found = run(Lab(arguments.name), arguments.regex, wanted)
    passed = outcomes.named(found, 'success')
    return 0 if passed and not outcomes.failed(found) else 1


def options(words: Iterable[str]) -> dict[str, dict[str, str]]:
    """Settings from words like 'blockmig.timeout=60'.

    :raises BadInput: a word is not of that form.
    """
    chosen: dict[str, dict[str, str]] = {}
    for word in words:
        name, equals, value = word.partition('=')
        section, _, option = name.partition('.')
        if not (equals and section and option):
            raise BadInput(
                f'--set: {word!r} is not of the form SECTION.OPTION=VALUE.',
                'Write for example blockmig.timeout=60.',
            )
        chosen.setdefault(section, {})[option] = value
    return chosen


def run(
    lab: Any,
    regex: str,
    extra: Options | None = None,
    log: Path | None = None,
) -> Any:
    """Run tests on a lab that is up, one at a time.

    :param extra: settings for tempest.conf beyond the lab's own.
    :param log: where what tempest says is added; else it is shown.
    :returns: what became of each test, a list of `outcomes.Outcome`.
    :raises LabError: tempest ran no test.
    """
    from blocklab.commands import lock
    from blocklab.commands import outcomes

    lab.require_up()
    directory = lab.layout.state / 'tempest'
    with lock.exclusive(lab.layout.name):
        _install(lab)
        # Results of another run must not be taken for those of this one.
        shutil.rmtree(directory, ignore_errors=True)
        _configure(lab, directory, extra or {})
        found = outcomes.read(_results(lab, directory, regex, log))
    if not found:
        said = '\n' + last_lines(log, 15) if log else ''
        raise LabError(
            f'Tempest ran no test for {regex!r}.{said}',
            f'Correct --regex, or see {_log(lab)}.',
        )
    return found


def _install(lab: Any) -> None:
    from blocklab.machine import venvs

    log = lab.layout.logs / 'install.log'
    release = lab.release
    with venvs.locked(release.venv.name):
        if not venvs.has(release, 'tempest'):
            with lab.progress.step('tempest'):
                venvs.install_extra(release, 'tempest', log)
        plugin = venvs.TEMPEST_PLUGIN
        if not venvs.ours_is_current(release, plugin):
            with lab.progress.step(f'{plugin.name} from this checkout'):
                venvs.install_ours(release, log, plugin)


def _configure(lab: Any, directory: Path, extra: Options) -> None:
    from blocklab.guest import glance
    from blocklab.services import cloud
    from blocklab.services import config

    ours = set(lab.settings.choices.drivers.values()) == {'blockmig'}
    text = config.render(
        'tempest.conf',
        directory=directory,
        log=_log(lab),
        controller=lab.layout.controller.address,
        password=lab.settings.passwords['admin'],
        image=lab.cloud.image.find_image(glance.NAME).id,
        flavor=lab.cloud.compute.find_flavor(cloud.FLAVOR).id,
        drivers='nova-blockmig' if ours else 'mixed',
        extra=extra,
    )
    config.write({directory / 'tempest.conf': text})


def _log(lab: Any) -> Path:
    return Path(lab.layout.logs / 'tempest.log')


def _results(lab: Any, directory: Path, regex: str, log: Path | None) -> bytes:
    """Run tests; the subunit stream of what became of them."""
    run_them = (
        'tempest',
        'run',
        f'--config-file={directory / "tempest.conf"}',
        '--concurrency=1',
        f'--regex={regex}',
    )
    with contextlib.ExitStack() as stack:
        out = None if log is None else stack.enter_context(log.open('ab'))
        _inside(lab, directory, run_them, stdout=out, stderr=out)
    last = ('stestr', 'last', '--subunit')
    return _inside(lab, directory, last, stdout=subprocess.PIPE).stdout


def _inside(
    lab: Any, directory: Path, words: tuple[str, ...], **streams: Any
) -> 'subprocess.CompletedProcess[bytes]':
    """Run a program of the release's environment in that directory.

    What its status would tell, the results tell better.
    """
    from blocklab.machine.subprocesses import environment

    return subprocess.run(
        lab.client_command(*words),
        cwd=directory,
        env=environment(),
        stdin=subprocess.DEVNULL,
        check=False,
        **streams,
    )
