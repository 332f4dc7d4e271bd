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

"""Runs some of Nova's tests in one process and records what became of them.

Usage: python -m nova_blockmig.tests.contract.worker JOB_FILE

The job is a JSON object: ``modules``, names of test modules or packages;
``select`` and ``exclude``, regular expressions over test ids; ``driver``,
the class to put in the place of Nova's, or null; ``results``, the file to
append to. A test that this file mentions already is not run again.
"""

from collections.abc import Iterable
from collections.abc import Iterator
import importlib
import json
import pathlib
import pkgutil
import re
import sys
from typing import Any
import unittest

from nova_blockmig.tests.contract import recorder
from nova_blockmig.tests.contract import swap


def main(job_file: str) -> int:
    """Run the job; 0 even if tests failed, which the results tell."""
    job = json.loads(pathlib.Path(job_file).read_text())
    if job['driver'] is not None:
        swap.install(job['driver'])
    results = pathlib.Path(job['results'])
    done = _seen(results)
    wanted = re.compile(job['select'])
    unwanted = re.compile(job['exclude'] or '(?!)')
    suite = unittest.TestSuite(
        test
        for test in _tests(job['modules'])
        if wanted.search(test.id())
        and not unwanted.search(test.id())
        and test.id() not in done
    )
    with results.open('a') as stream:
        suite.run(recorder.Recorder(stream))
    return 0


def _seen(results: pathlib.Path) -> set[str]:
    if not results.exists():
        return set()
    return {
        json.loads(line)['test'] for line in results.read_text().splitlines()
    }


def _tests(names: Iterable[str]) -> Iterator[Any]:
    loader = unittest.TestLoader()
    for name in names:
        for module in _modules(name):
            yield from _flat(loader.loadTestsFromModule(module))
    if loader.errors:
        raise ImportError('\n'.join(map(str, loader.errors)))


def _modules(name: str) -> Iterator[Any]:
    module = importlib.import_module(name)
    if not hasattr(module, '__path__'):
        yield module
        return
    for info in pkgutil.iter_modules(module.__path__, f'{name}.'):
        if info.name.rpartition('.')[2].startswith('test_'):
            yield importlib.import_module(info.name)


def _flat(suite: Any) -> Iterator[Any]:
    if isinstance(suite, unittest.TestSuite):
        for test in suite:
            yield from _flat(test)
    else:
        yield suite


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
