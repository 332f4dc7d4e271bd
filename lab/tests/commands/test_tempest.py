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

"""tempest.conf, and reading what became of the tests."""

import configparser
import datetime
import io

import subunit
import testtools

from blocklab.commands import outcomes
from blocklab.commands import tempest
from blocklab.machine import errors
from blocklab.services import config

NAME = 'tempest.api.Class.test_it'


class OptionsTest(testtools.TestCase):
    def test_a_value_may_hold_any_sign(self) -> None:
        self.assertEqual(
            {'blockmig': {'timeout': '60', 'guest': 'a.b=c'}},
            tempest.options(['blockmig.timeout=60', 'blockmig.guest=a.b=c']),
        )

    def test_what_is_not_of_the_form(self) -> None:
        for word in ('blockmig.timeout', 'timeout=60', '.a=b', 'a.=b', ''):
            self.assertRaises(errors.BadInput, tempest.options, [word])


class ConfigurationTest(testtools.TestCase):
    def read(self, **extra: dict[str, str]) -> configparser.ConfigParser:
        text = config.render(
            'tempest.conf',
            directory='/state/tempest',
            log='/state/logs/tempest.log',
            controller='10.88.0.1',
            password='secret%sign',
            image='an-image',
            flavor='a-flavor',
            drivers='mixed',
            extra=extra,
        )
        # As oslo.config does: of two values the later one counts.
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read_string(text)
        return parser

    def test_what_the_lab_knows(self) -> None:
        read = self.read()
        self.assertEqual('secret%sign', read['auth']['admin_password'])
        self.assertEqual('an-image', read['compute']['image_ref'])
        self.assertEqual('mixed', read['blockmig']['drivers'])
        self.assertEqual('console', read['blockmig']['guest'])

    def test_what_is_asked_for_wins(self) -> None:
        read = self.read(
            compute={'build_interval': '7'}, blockmig={'drivers': 'other'}
        )
        self.assertEqual('7', read['compute']['build_interval'])
        self.assertEqual('other', read['blockmig']['drivers'])
        self.assertEqual('console', read['blockmig']['guest'])


class OutcomesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stream = io.BytesIO()
        self.out = subunit.StreamResultToBytes(self.stream)

    def said(self, status: str, name: str = NAME, second: int = 0) -> None:
        self.out.status(
            test_id=name,
            test_status=status,
            timestamp=datetime.datetime(
                2026, 1, 1, 0, 0, second, tzinfo=datetime.UTC
            ),
        )

    def attach(self, name: str, text: str, test: str | None = NAME) -> None:
        self.out.status(
            test_id=test,
            file_name=name,
            file_bytes=text.encode(),
            eof=True,
            mime_type='text/plain; charset=utf8',
        )

    def read(self) -> list[outcomes.Outcome]:
        return outcomes.read(self.stream.getvalue())

    def test_nothing(self) -> None:
        self.assertEqual([], self.read())

    def test_passed(self) -> None:
        name = f'{NAME}[id-0b8f2f55,multinode]'
        self.said('inprogress', name, 1)
        self.said('success', name, 8)
        self.assertEqual(
            [outcomes.Outcome(NAME, 'success', '', 7.0)], self.read()
        )

    def test_skipped_and_failed_say_why(self) -> None:
        self.said('inprogress')
        self.attach('reason', 'no volumes')
        self.said('skip')
        other = f'{NAME}_too'
        self.said('inprogress', other)
        self.attach('traceback', 'AssertionError: lost', other)
        self.attach('pythonlogging', 'much', other)
        self.said('fail', other)
        skipped, failed = self.read()
        self.assertEqual('no volumes', skipped.text)
        self.assertEqual('AssertionError: lost', failed.text)
        self.assertEqual({NAME}, outcomes.named([skipped, failed], 'skip'))
        self.assertEqual([failed], outcomes.failed([skipped, failed]))

    def test_one_that_never_ended_has_failed(self) -> None:
        self.said('inprogress')
        (found,) = outcomes.failed(self.read())
        self.assertEqual((NAME, 'inprogress'), (found.test, found.status))

    def test_what_is_no_test(self) -> None:
        self.attach('output', 'a warning', test=None)
        self.assertEqual([], self.read())
