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

"""The command line of ``tools/nova-contract``."""

import argparse
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import os
import pathlib
import sys
import tempfile
import textwrap

from nova_blockmig.tests.contract import allowed
from nova_blockmig.tests.contract import compare
from nova_blockmig.tests.contract import environment
from nova_blockmig.tests.contract import moved
from nova_blockmig.tests.contract import workers

ALLOWED = environment.CHECKOUT / 'tools' / 'nova-contract.allowed'
OURS = 'nova_blockmig.driver.LibvirtDriver'
STATUSES = (
    'pass',
    'fail',
    'skip',
    'xfail',
    compare.HUNG,
    compare.DIED,
    compare.MISSING,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it: 0 contract kept, 1 broken, 2 it could not be found out."""
    options = _parser().parse_args(argv)
    try:
        if options.names:
            return _names(options)
        with _directory(options) as directory:
            ready = environment.fetch(options.release, directory)
            environment.install(ready)
            return _tests(options, ready)
    except (environment.CouldNotRun, allowed.BadEntry) as exc:
        print(f'nova-contract: {exc}', file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='nova-contract',
        description="Run Nova's own tests with Nova's libvirt driver class "
        'and with the one of nova-blockmig, and compare test by test.',
        epilog='Ends with 0 if the contract is kept, 1 if it is broken, 2 if '
        'that could not be found out.',
    )
    parser.add_argument('release', choices=environment.releases())
    parser.add_argument(
        '--suite', choices=workers.SUITES, default='unit', help='(unit)'
    )
    parser.add_argument(
        '--tests', metavar='REGEX', help='only tests whose ids match'
    )
    parser.add_argument(
        '--names',
        action='store_true',
        help="run no test; look in Nova's source for the names that "
        'nova_blockmig/tests/contract/nova_names.py lists',
    )
    parser.add_argument(
        '--source',
        metavar='DIR',
        type=pathlib.Path,
        help="with --names: a source tree to look in, such as one of Nova's "
        'master, in place of the release',
    )
    parser.add_argument(
        '--mode',
        choices=('eventlet', 'threading'),
        help='concurrency mode of the tests (what nova-compute of the '
        'release runs in unless told otherwise)',
    )
    parser.add_argument(
        '--reuse',
        metavar='DIR',
        type=pathlib.Path,
        help='keep what was downloaded and recorded in DIR, and use what an '
        'earlier run left there',
    )
    parser.add_argument(
        '--verbose', action='store_true', help='tracebacks in full'
    )
    parser.add_argument(
        '--driver', default=OURS, help='another class to judge (%(default)s)'
    )
    return parser


@contextlib.contextmanager
def _directory(options: argparse.Namespace) -> Iterator[pathlib.Path]:
    if options.reuse is not None:
        yield options.reuse.resolve() / options.release
        return
    with tempfile.TemporaryDirectory(prefix='nova-contract-') as directory:
        yield pathlib.Path(directory)


def _names(options: argparse.Namespace) -> int:
    major = environment.major(options.release)
    if options.source is not None:
        findings = moved.moved(options.source, major)
    else:
        with _directory(options) as directory:
            ready = environment.fetch(options.release, directory)
            findings = moved.moved(ready.tree, major)
    for finding in findings:
        print(finding)
    print(f'{len(findings)} names have moved')
    return 1 if findings else 0


def _tests(options: argparse.Namespace, ready: environment.Environment) -> int:
    exceptions = _about(
        allowed.of_release(allowed.read(ALLOWED), options.release),
        workers.SUITES[options.suite],
    )
    suite = workers.narrowed(workers.SUITES[options.suite], options.tests)
    in_tree, ours = _both(options, ready, suite, 'first')
    if not in_tree:
        raise environment.CouldNotRun('no test was selected')
    findings = compare.compare(
        in_tree, ours, exceptions, whole=options.tests is None
    )
    again = workers.only(suite, compare.differing(findings))
    if again is not None:
        findings = compare.confirmed(
            findings, *_both(options, ready, again, 'second')
        )
    show(in_tree, ours, findings, options.verbose)
    return 1 if any(f.kind in compare.BAD for f in findings) else 0


def _both(
    options: argparse.Namespace,
    ready: environment.Environment,
    suite: workers.Suite,
    name: str,
) -> tuple[dict[str, compare.Outcome], dict[str, compare.Outcome]]:
    """Run some tests with the in-tree class and, beside them, with ours."""
    mode = options.mode or environment.mode(options.release)
    records = ready.tree.parent / 'records' / options.suite / name
    started = {
        who: workers.Worker(
            ready, suite, driver, records / who, variables(os.environ, mode)
        )
        for who, driver in (('in-tree', None), ('ours', options.driver))
    }
    workers.run(started)
    return started['in-tree'].outcomes(), started['ours'].outcomes()


def _about(
    exceptions: Mapping[str, allowed.Allowed], suite: workers.Suite
) -> dict[str, allowed.Allowed]:
    return {
        test: entry
        for test, entry in exceptions.items()
        if test.startswith(suite.modules)
    }


def variables(environ: Mapping[str, str], mode: str) -> dict[str, str]:
    """The environment of the tests: as Nova's tox.ini sets it."""
    found = {
        name: value
        for name, value in environ.items()
        if not name.startswith(('OS_', 'PYTHON', 'NOVA_'))
    }
    return found | {
        'LC_ALL': 'C.UTF-8',
        'NOVA_RAISE_ON_GREENLET_LEAK': 'True',
        # Nova's switch between the modes; its words for it are the negation.
        'OS_NOVA_DISABLE_EVENTLET_PATCHING': str(mode == 'threading'),
        'OS_STDERR_CAPTURE': '1',
        'OS_STDOUT_CAPTURE': '1',
        'OS_TEST_TIMEOUT': '160',
        'PYTHONDONTWRITEBYTECODE': '1',
    }


def show(
    in_tree: Mapping[str, compare.Outcome],
    ours: Mapping[str, compare.Outcome],
    findings: Sequence[compare.Finding],
    verbose: bool = False,
) -> None:
    """Print what differs, how many tests ended how, and the totals.

    :param verbose: the whole of each traceback, not just its last line.
    """
    for finding in findings:
        print(f'{finding.kind.value}: {finding.test}')
        print(f'    in-tree {finding.in_tree}, ours {finding.ours}')
        note = finding.note.rstrip()
        if not verbose and finding.kind is not compare.Kind.ALLOWED:
            note = note.rpartition('\n')[2]
        print(textwrap.indent(note, '    '))
    counts = {
        name: Counter(outcome.status for outcome in found.values())
        for name, found in (('in-tree', in_tree), ('ours', ours))
    }
    used = [s for s in STATUSES if any(c[s] for c in counts.values())]
    print('       ' + ''.join(f'{word:>8}' for word in ('tests', *used)))
    for name, count in counts.items():
        row = (count.total(), *(count[status] for status in used))
        print(f'{name:7}' + ''.join(f'{number:8}' for number in row))
    _totals(counts['ours'], findings)


def _totals(ours: 'Counter[str]', findings: Sequence[compare.Finding]) -> None:
    """As stestr prints them, so that a job that counts can add them up.

    A test counts as passed if it ended as it should, which for an allowed
    one is to fail.
    """
    failed = sum(finding.kind in compare.BAD for finding in findings)
    kept = sum(ours.values()) - ours['skip'] - failed
    print('Totals of the contract')
    for word, number in (
        ('Passed', kept),
        ('Skipped', ours['skip']),
        ('Failed', failed),
    ):
        print(f' - {word}: {number}')
