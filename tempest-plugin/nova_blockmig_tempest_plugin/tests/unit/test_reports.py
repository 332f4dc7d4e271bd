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

"""Reading a guest's reports, as the tempest tests do."""

import testtools

from nova_blockmig_tempest_plugin import config
from nova_blockmig_tempest_plugin import reports

(PATTERN,) = (
    option.default
    for option in config.OPTIONS
    if option.name == 'console_report'
)


def line(
    tick: int,
    disk: str = 'vdb',
    check: str = 'files',
    files: int = 8,
    verified: int = 8,
    mismatches: int = 0,
) -> str:
    return (
        f'BLOCKMIG tick={tick} disk={disk} check={check} files={files} '
        f'verified={verified} mismatches={mismatches}\r\n'
    )


def read(*lines: str) -> reports.Reports:
    return reports.read(''.join(lines), PATTERN)


class ReadTest(testtools.TestCase):
    def test_the_latest_of_each_disk_and_check(self) -> None:
        found = read(
            'Linux version 6.1\r\n',
            line(1),
            line(1, disk='vdc', check='static'),
            line(2, files=9, verified=9),
        )
        self.assertEqual(
            {
                ('vdb', 'files'): reports.Report(2, 9, 9, 0),
                ('vdc', 'static'): reports.Report(1, 8, 8, 0),
            },
            found,
        )

    def test_an_incomplete_last_line_does_not_count(self) -> None:
        cut = line(2).rstrip() + '1'
        self.assertEqual(read(line(1)), read(line(1), cut))


class CompleteTest(testtools.TestCase):
    """vdb is looked at in two ways, sr0 in the rarer one only."""

    FILES = line(5)
    STATIC = line(5, check='static') + line(5, disk='sr0', check='static')

    def complete(self, *lines: str) -> bool:
        return reports.complete(read(*lines), 2)

    def test_nothing(self) -> None:
        self.assertFalse(self.complete(''))

    def test_one_kind_of_look(self) -> None:
        two = line(6) + line(5, disk='sr0')
        self.assertFalse(self.complete(two))

    def test_rare_looks_that_may_not_be_over(self) -> None:
        self.assertFalse(self.complete(self.FILES, self.STATIC))

    def test_a_round_after_them(self) -> None:
        self.assertTrue(self.complete(self.FILES, self.STATIC, line(6)))

    def test_a_disk_less(self) -> None:
        static = line(5, check='static')
        self.assertFalse(self.complete(self.FILES, static, line(6)))


class WrongTest(testtools.TestCase):
    def test_right(self) -> None:
        self.assertEqual([], reports.wrong(read(line(1)), read(line(2))))

    def test_a_disk_that_says_nothing_more(self) -> None:
        before = read(line(3), line(3, disk='vdc'))
        now = read(line(4), line(3, disk='vdc'))
        self.assertEqual(
            ['vdc (files): no report'], reports.wrong(before, now)
        )

    def test_a_disk_that_is_gone(self) -> None:
        before = read(line(3), line(3, disk='vdc'))
        self.assertEqual(
            ['vdc (files): no report'], reports.wrong(before, read(line(4)))
        )

    def test_what_is_wrong_is_not_silent(self) -> None:
        before, now = read(line(1)), read(line(2, mismatches=1))
        self.assertEqual([], reports.silent(before, now))
        self.assertEqual(1, len(reports.silent(now, now)))

    def test_not_verified(self) -> None:
        now = read(line(2, verified=7))
        self.assertIn('verified=7', reports.wrong(read(line(1)), now)[0])

    def test_wrong_once_is_wrong_for_good(self) -> None:
        now = read(line(2, mismatches=1))
        self.assertIn('mismatches=1', reports.wrong(read(line(1)), now)[0])

    def test_nothing_verified_is_not_right(self) -> None:
        now = read(line(2, files=0, verified=0))
        self.assertEqual(1, len(reports.wrong(read(line(1)), now)))
