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

from nova_blockmig.core import terminal_text as text
from nova_blockmig.tests.unit import base


class TestColumns(base.TestCase):
    def test_every_script_takes_the_columns_it_was_given(self) -> None:
        names = ['web-01', '数据库服务器', 'e\u0301te\u0301', 'أحمد', 'a' * 90]
        for name in names:
            for columns in (3, 8, 40):
                self.assertEqual(
                    columns, text.columns_of(text.fit(name, columns)), name
                )

    def test_a_wide_character_is_not_cut_in_two(self) -> None:
        self.assertEqual('数~ ', text.fit('数据库', 4))

    def test_a_name_does_not_steer_the_terminal(self) -> None:
        self.assertEqual('?[2J', text.printable('\x1b[2J'))


class TestBar(base.TestCase):
    def test_full_only_when_all_is_done(self) -> None:
        self.assertEqual('[########  ]', text.bar(89, 100, 12))
        self.assertEqual('[##########]', text.bar(100, 100, 12))
        self.assertEqual(99, text.percent(999_999, 1_000_000))

    def test_more_than_all_and_nothing_at_all(self) -> None:
        self.assertEqual(100, text.percent(7, 5))
        self.assertEqual(0, text.percent(0, 0))


class TestDuration(base.TestCase):
    def test_two_units_at_most(self) -> None:
        self.assertEqual('0 s', text.duration(0.4))
        self.assertEqual('1 min', text.duration(59.9))
        self.assertEqual('1 h', text.duration(3600))
        self.assertEqual('26 h 3 min', text.duration(93_783))
