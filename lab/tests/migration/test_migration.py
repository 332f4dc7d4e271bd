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

"""How the end of a migration is told, against a cloud that plays along."""

from types import SimpleNamespace
from typing import Any
import unittest
from unittest import mock

from blocklab.machine.errors import LabError
from blocklab.migration import migration


def _record(uuid: str, status: str) -> SimpleNamespace:
    return SimpleNamespace(
        uuid=uuid,
        status=status,
        source_compute='server2',
        dest_compute='server-01',
    )


class FakeLab:
    """Nova as it answers at each poll: (server's task, migrations)."""

    def __init__(self, answers: list[tuple[str | None, list[Any]]]) -> None:
        self.typed: tuple[str, ...] = ()
        self._answers = answers
        self.cloud = SimpleNamespace(compute=self)

    def client(self, *words: str) -> str:
        self.typed = words
        return ''

    def get_server(self, server_id: str) -> SimpleNamespace:
        task = self._answers[0][0]
        return SimpleNamespace(task_state=task, compute_host='server2')

    def migrations(self, server_id: str) -> list[Any]:
        answer = self._answers[0][1]
        if len(self._answers) > 1:
            del self._answers[0]
        return answer


class Wait(unittest.TestCase):
    OLD = _record('old', 'completed')

    def setUp(self) -> None:
        self.now = 100.0
        for name, function in (
            ('monotonic', lambda: self.now),
            ('sleep', self._sleep),
        ):
            patch = mock.patch(
                f'blocklab.migration.migration.time.{name}', function
            )
            patch.start()
            self.addCleanup(patch.stop)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _migrate(
        self, *answers: tuple[str | None, list[Any]], timeout: float = 60
    ) -> migration.Migration:
        # The first answer is to what is asked before the request.
        lab: Any = FakeLab([(None, [self.OLD]), *answers])
        self.lab = lab
        begun = migration.begin(lab, 'id', 'server-01')
        return migration.wait(lab, begun, timeout)

    def test_old_migrations_do_not_count(self) -> None:
        ended = self._migrate(
            ('migrating', [self.OLD]),
            ('migrating', [_record('new', 'running'), self.OLD]),
            (None, [_record('new', 'completed'), self.OLD]),
        )
        self.assertEqual(('new', 'completed'), (ended.uuid, ended.status))
        self.assertTrue(ended.completed)
        self.assertEqual(1.0, ended.seconds)

    def test_client_is_told_to_copy_disks(self) -> None:
        self._migrate((None, [_record('new', 'completed')]))
        self.assertEqual(
            ('nova', 'live-migration', '--block-migrate', 'id', 'server-01'),
            self.lab.typed,
        )

    def test_client_is_told_nothing_when_nova_is_to_decide(self) -> None:
        lab: Any = FakeLab([(None, [])])
        migration.begin(lab, 'id', 'server-01', block=False)
        self.assertEqual(
            ('nova', 'live-migration', 'id', 'server-01'), lab.typed
        )

    def test_each_bad_end(self) -> None:
        for status in ('error', 'failed', 'cancelled'):
            ended = self._migrate((None, [_record('new', status)]))
            self.assertEqual(status, ended.status)
            self.assertFalse(ended.completed)

    def test_task_must_be_over_too(self) -> None:
        ended = self._migrate(
            ('migrating', [_record('new', 'completed')]),
            ('migrating', [_record('new', 'completed')]),
            (None, [_record('new', 'completed')]),
        )
        self.assertEqual(1.0, ended.seconds)

    def test_no_record_is_a_refusal(self) -> None:
        ended = self._migrate((None, [self.OLD]))
        self.assertEqual((None, 'refused'), (ended.uuid, ended.status))
        self.assertGreater(ended.seconds, 30)

    def test_never_ends(self) -> None:
        with self.assertRaisesRegex(LabError, 'has not ended after 60 s'):
            self._migrate(('migrating', [_record('new', 'running')]))


class ReasonTest(unittest.TestCase):
    """The latest live migration tells it, an administrator's way."""

    def setUp(self) -> None:
        self.compute = mock.Mock(spec=['server_actions', 'get_server_action'])
        self.compute.server_actions.return_value = [
            SimpleNamespace(action='pause', request_id='req-3'),
            SimpleNamespace(action='live-migration', request_id='req-2'),
            SimpleNamespace(action='live-migration', request_id='req-1'),
        ]
        self.lab: Any = SimpleNamespace(
            cloud=SimpleNamespace(compute=self.compute)
        )

    def _reason(self, *events: dict[str, str | None]) -> str:
        self.compute.get_server_action.return_value = SimpleNamespace(
            events=list(events)
        )
        return migration.reason(self.lab, 'id')

    def test_what_failed_tells_it(self) -> None:
        said = self._reason(
            {'result': 'Error', 'details': 'it does not fit'},
            {'result': 'Success', 'details': 'stood still for 2 ms'},
            {'result': None, 'details': None, 'traceback': None},
        )
        self.assertEqual('it does not fit', said)
        self.compute.get_server_action.assert_called_once_with('req-2', 'id')

    def test_an_api_without_details(self) -> None:
        said = self._reason({'result': 'Error', 'traceback': 'line 1'})
        self.assertEqual('line 1', said)

    def test_never_migrated(self) -> None:
        self.compute.server_actions.return_value = []
        self.assertEqual('', migration.reason(self.lab, 'id'))
