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

"""What the person at the terminal is told of a failure."""

from collections.abc import Callable
import contextlib
import importlib.machinery
import io
from pathlib import Path
import types
from typing import Any
from unittest import mock
import warnings

import fixtures
import testtools

from blocklab.commands import cli
from blocklab.machine import errors
from blocklab.machine import failures

LABCTL = Path(__file__).parents[2] / 'labctl'


class ToldTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = Path(self.useFixture(fixtures.TempDir()).path) / 'new'
        self.useFixture(fixtures.MonkeyPatch('sys.argv', ['labctl', 'up']))
        self.useFixture(
            fixtures.MonkeyPatch('blocklab.machine.layout.ROOT', self.root)
        )

    @property
    def log(self) -> Path:
        return self.root / failures.LOG

    def told(
        self, work: Callable[[], int], *, debug: bool = False
    ) -> tuple[int, str]:
        """The exit code, and what was written on the standard error."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = failures.told(work, debug=debug)
        return code, said.getvalue()

    def test_nothing_is_said_of_what_went_well(self) -> None:
        self.assertEqual((3, ''), self.told(lambda: 3))

    def test_the_unforeseen_is_a_sentence_and_a_log(self) -> None:
        code, said = self.told(_fail)
        self.assertEqual(1, code)
        self.assertNotIn('Traceback', said)
        self.assertIn('FileNotFoundError', said)
        self.assertIn('no/such/file', said)
        self.assertIn(str(self.log), said)
        self.assertIn('--debug', said)
        self.assertEqual(2, len(said.splitlines()))

    def test_the_log_has_the_rest(self) -> None:
        self.told(_fail)
        self.told(_fail)
        text = self.log.read_text()
        self.assertEqual(2, text.count('Traceback'))
        self.assertIn('in _fail', text)
        self.assertIn('labctl up', text)
        self.assertEqual(0o600, self.log.stat().st_mode & 0o777)

    def test_debug_shows_it(self) -> None:
        _, said = self.told(_fail, debug=True)
        self.assertIn('Traceback', said)
        self.assertIn('in _fail', said)

    def test_a_log_that_cannot_be_written_is_no_traceback_either(self) -> None:
        self.root.parent.joinpath('new').write_text('a file')
        code, said = self.told(_fail)
        self.assertEqual(1, code)
        self.assertNotIn('Traceback', said)
        self.assertIn('--debug', said)

    def test_several_lines_become_one(self) -> None:
        def work() -> int:
            raise ValueError('one\n  two')

        self.assertIn('ValueError: one two\n', self.told(work)[1])

    def test_the_foreseen_has_its_own_way_out_and_exit_code(self) -> None:
        def work() -> int:
            raise errors.BadInput('This is wrong.', 'Do that.')

        self.assertEqual(
            (2, 'labctl: This is wrong.\nDo that.\n'), self.told(work)
        )
        self.assertFalse(self.log.exists())
        self.assertIn('Traceback', self.told(work, debug=True)[1])

    def test_an_interruption(self) -> None:
        code, said = self.told(_interrupt)
        self.assertEqual(1, code)
        self.assertTrue(said.startswith('labctl: interrupted.'), said)

    def test_the_command_line_is_guarded(self) -> None:
        patch = mock.patch.object(cli, '_up', side_effect=ZeroDivisionError)
        with patch, contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(1, cli.main(['up']))
            self.assertNotIn('Traceback', said.getvalue())
            self.assertEqual(1, cli.main(['--debug', 'up']))
        self.assertIn('Traceback', said.getvalue())

    def test_what_libraries_warn_of_is_not_shown(self) -> None:
        def warn(arguments: Any) -> int:
            warnings.warn('in urllib3 v3.0', FutureWarning, stacklevel=1)
            return 0

        options: list[str]
        for options, shown in (([], 0), (['--debug'], 1)):
            with (
                mock.patch.object(cli, '_up', warn),
                warnings.catch_warnings(record=True) as seen,
            ):
                warnings.simplefilter('default')
                self.assertEqual(0, cli.main([*options, 'up']))
            self.assertEqual(shown, len(seen))

    def test_what_labctl_does_first_is_guarded(self) -> None:
        loader = importlib.machinery.SourceFileLoader('labctl', str(LABCTL))
        labctl = types.ModuleType('labctl')
        labctl.__file__ = str(LABCTL)
        loader.exec_module(labctl)
        full = OSError(28, 'No space left on device')
        with (
            mock.patch('os.geteuid', return_value=0),
            mock.patch.object(labctl, 'make_environment', side_effect=full),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            self.assertEqual(1, labctl.main())
        self.assertIn('No space left on device', said.getvalue())
        self.assertNotIn('Traceback', said.getvalue())


def _fail() -> int:
    return len(Path('no/such/file').read_bytes())


def _interrupt() -> int:
    raise KeyboardInterrupt
