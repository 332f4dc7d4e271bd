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

import json
from typing import Any
from unittest import mock

from keystoneauth1 import exceptions as keystone_exceptions
import requests

from nova_blockmig.cmd import api_errors
from nova_blockmig.cmd import api_items
from nova_blockmig.cmd import sdk_cloud
from nova_blockmig.core import migration_record
from nova_blockmig.core import operator_errors
from nova_blockmig.core import servers
from nova_blockmig.tests.unit import base

UUID = '3c1ad3d4-7a0e-4e2c-9a35-0a9c1f5d2b11'


def item(number: int, name: str = 'vm', **more: Any) -> dict[str, Any]:
    return {
        'id': f'{number:08}{UUID[8:]}',
        'name': name,
        'status': 'ACTIVE',
        'OS-EXT-SRV-ATTR:host': 'server2',
        'OS-EXT-STS:task_state': None,
        'tenant_id': 'project',
        'image': {'id': 'image'},
        'flavor': {'ram': 2048, 'vcpus': 2, 'disk': 20, 'ephemeral': 10,
                   'swap': 512},
        **more,
    }  # fmt: skip


class FakeApi:
    """Answers by path; what was asked is kept."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []

    def get(self, path: str, params: Any, microversion: str) -> Any:
        self.asked.append(('get', path, params))
        answer = self.answers.get(path, 404)
        if callable(answer):
            answer = answer(params)
        return response(answer)

    def post(self, path: str, json: Any, microversion: str) -> Any:
        self.asked.append(('post', path, json))
        return response(self.answers.get(path, {}))

    put = post


def response(answer: Any) -> requests.Response:
    made = requests.Response()
    made.request = requests.Request('GET', 'http://nova/').prepare()
    made.url = 'http://nova/'
    made.headers['content-type'] = 'application/json'
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, int):
        made.status_code, answer = answer, {}
    else:
        made.status_code = answer.pop('status', 200)
    made._content = json.dumps(answer).encode()
    return made


class TestSdkCloud(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api, self.placement = FakeApi(), FakeApi()
        self.cloud = sdk_cloud.SdkCloud(
            mock.Mock(compute=self.api, placement=self.placement)
        )

    def test_every_page_and_every_project(self) -> None:
        every = [item(number) for number in range(10_000)]

        def page(query: dict[str, Any]) -> dict[str, Any]:
            self.assertEqual('1', query['all_tenants'])
            ids = [one['id'] for one in every]
            start = ids.index(query['marker']) + 1 if 'marker' in query else 0
            found = every[start : start + query['limit']]
            links = [{'rel': 'next'}] if start + len(found) < 10_000 else []
            return {'servers': found, 'servers_links': links}

        self.api.answers['/servers/detail'] = page
        self.assertEqual(10_000, len(self.cloud.servers_on('server2')))
        self.assertEqual(20, len(self.api.asked))

    def test_an_instance(self) -> None:
        self.api.answers['/servers/x'] = {'server': item(1)}
        self.assertEqual(
            servers.Server(
                id=item(1)['id'], name='vm', status='ACTIVE', host='server2',
                memory_mb=2048, vcpus=2, disk_gb=31, ephemeral_gb=10,
                project_id='project',
            ),
            self.cloud.server('x'),
        )  # fmt: skip

    def test_one_that_was_booted_from_a_volume(self) -> None:
        self.api.answers['/servers/x'] = {'server': item(1, image='')}
        found = self.cloud.server('x')
        self.assertEqual(11, found and found.disk_gb)

    def test_one_that_is_gone(self) -> None:
        self.assertIsNone(self.cloud.server('x'))
        self.assertIsNone(self.cloud.progress('x'))

    def test_by_name(self) -> None:
        found = [item(1, 'vm+1'), item(2, 'vm+12')]
        self.api.answers['/servers/detail'] = lambda query: {
            'servers': found if query['name'] == r'^vm\+1$' else []
        }
        self.assertEqual(found[0]['id'], self.cloud.find_server('vm+1').id)

    def test_an_ambiguous_name(self) -> None:
        found = [item(1), item(2)]
        self.api.answers['/servers/detail'] = {'servers': found}
        error = self.assertRaises(
            operator_errors.CannotAsk, self.cloud.find_server, 'vm'
        )
        self.assertIn(found[1]['id'], str(error))

    def test_an_unknown_name(self) -> None:
        self.api.answers['/servers/detail'] = {'servers': []}
        error = self.assertRaises(
            operator_errors.CannotAsk, self.cloud.find_server, UUID
        )
        self.assertIn(UUID, str(error))

    def test_what_goes_wrong_is_one_sentence(self) -> None:
        for answer, code, words in (
            (403, 2, 'not authorized'),
            (500, 2, 'Nova returned'),
            (400, 2, 'Nova returned'),
            (keystone_exceptions.ConnectFailure('refused'), 2, 'refused'),
            (keystone_exceptions.Unauthorized(), 2, 'Keystone'),
            (keystone_exceptions.MissingRequiredOptions([]), 2, 'OS_CLOUD'),
        ):
            self.api.answers['/servers/x'] = lambda _, a=answer: a
            error = self.assertRaises(
                operator_errors.OperatorError, self.cloud.server, 'x'
            )
            self.assertIn(words, str(error))
            self.assertEqual(code, error.exit_code, words)
            self.assertNotIn('\n', str(error))

    def test_a_connection_that_fails(self) -> None:
        for said, reason in (
            (
                "Max retries exceeded with url: /v3 (Caused by New('x': "
                'Failed to establish a new connection: [Errno 111] '
                'Connection refused"))',
                ': Connection refused.',
            ),
            (
                "Failed to resolve 'keystone' ([Errno -2] Name or service "
                'not known)"))',
                ': Name or service not known.',
            ),
            ('Read timed out.)', '.'),
        ):
            error = keystone_exceptions.ConnectFailure(
                'Unable to establish connection to http://keystone/v3: '
                f"HTTPConnectionPool(host='keystone', port=80): {said}"
            )
            found = self.assertRaises(
                operator_errors.CannotAsk, self.raised, error
            )
            self.assertEqual(
                'the request to the cloud failed: Unable to establish '
                f'connection to http://keystone/v3{reason}',
                f'{found}.',
            )

    def test_a_password_that_is_missing(self) -> None:
        self.assertRaises(
            operator_errors.NoCredentials,
            self.raised,
            Exception('password is a required attribute'),
        )
        self.assertRaises(KeyError, self.raised, KeyError('anything else'))

    def raised(self, error: Exception) -> None:
        with api_errors.sentence():
            raise error

    def test_the_words_of_nova_are_kept(self) -> None:
        path = f'/servers/{UUID}/action'
        self.api.answers[path] = {
            'status': 409,
            'conflictingRequest': {'message': 'is locked'},
        }
        error = self.assertRaises(
            operator_errors.No, self.cloud.migrate_live, UUID, 'server-01'
        )
        self.assertIn('is locked', str(error))

    def test_never_forced(self) -> None:
        self.cloud.migrate_live(UUID, 'server-01')
        ((_, _, body),) = self.api.asked
        self.assertEqual(
            {'os-migrateLive': {'host': 'server-01',
                                'block_migration': 'auto'}},
            body,
        )  # fmt: skip

    def test_rooms(self) -> None:
        """Placement's claims, and no more disk than was measured."""
        self.api.answers['/os-hypervisors/detail'] = {
            'hypervisors': [
                {'id': 'a', 'service': {'host': 'server-01'},
                 'disk_available_least': 17},
                {'id': 'b', 'service': {'host': 'full'},
                 'disk_available_least': 50},
            ]
        }  # fmt: skip
        self.placement.answers['/allocation_candidates'] = {
            'provider_summaries': {
                'a': {'resources': {
                    'MEMORY_MB': {'capacity': 4096, 'used': 1024},
                    'VCPU': {'capacity': 32, 'used': 2},
                    'DISK_GB': {'capacity': 100, 'used': 20},
                }}
            }
        }  # fmt: skip
        rooms = self.cloud.rooms()
        self.assertEqual(
            servers.Room('server-01', 3072, 30, 17), rooms['server-01']
        )
        self.assertEqual(servers.Room('full', 0, 0, 0), rooms['full'])

    def test_migrations_newest_first(self) -> None:
        def record(number: int, day: int) -> dict[str, Any]:
            return {
                'id': number, 'uuid': UUID, 'instance_uuid': 'x',
                'status': 'completed', 'source_compute': 'server2',
                'dest_compute': None, 'migration_type': 'live-migration',
                'created_at': f'2026-11-0{day}T10:00:00.000000',
                'updated_at': f'2026-11-0{day}T10:00:30.000000',
            }  # fmt: skip

        self.api.answers['/os-migrations'] = {
            'migrations': [record(1, 1), record(2, 2)]
        }
        first, second = self.cloud.migrations(server_id='x')
        self.assertEqual((2, 1), (first.id, second.id))
        self.assertEqual(30.0, first.seconds)
        ((_, _, query),) = self.api.asked
        self.assertEqual('x', query['instance_uuid'])

    def test_the_reason_of_the_latest(self) -> None:
        base_path = '/servers/x/os-instance-actions'
        self.api.answers[base_path] = {
            'instanceActions': [
                {'action': 'stop', 'request_id': 'r0',
                 'start_time': '2026-11-02T10:00:00.000000'},
                {'action': 'live-migration', 'request_id': 'r1',
                 'message': 'Error',
                 'start_time': '2026-11-02T09:00:00.000000'},
                {'action': 'live-migration', 'request_id': 'r2',
                 'message': 'older',
                 'start_time': '2026-11-01T09:00:00.000000'},
            ]
        }  # fmt: skip
        self.api.answers[f'{base_path}/r1'] = {
            'instanceAction': {'events': [
                {'event': 'x', 'result': 'Success', 'details': None},
                {'event': 'y', 'result': 'Error', 'details': 'does not fit'},
            ]}
        }  # fmt: skip
        self.api.answers[f'{base_path}/r2'] = {
            'instanceAction': {'events': []}
        }
        self.assertEqual('does not fit', self.cloud.reason('x'))
        then = api_items.seconds('2026-11-01T09:00:01.000000')
        self.assertEqual('older', self.cloud.reason('x', then))
        cut = 'x' * 253 + ', '
        self.api.answers[f'{base_path}/r1'] = {
            'instanceAction': {
                'events': [{'event': 'x', 'result': 'Error', 'details': cut}]
            }
        }
        self.assertEqual(f'{cut.rstrip()} ...', self.cloud.reason('x'))

    def test_the_downtime(self) -> None:
        base_path = '/servers/x/os-instance-actions'
        self.api.answers[base_path] = {
            'instanceActions': [
                {'action': 'live-migration', 'request_id': 'r1',
                 'start_time': '2026-11-02T09:00:00.000000'},
            ]
        }  # fmt: skip
        event = {
            'event': migration_record.DOWNTIME_EVENT,
            'result': 'Success',
            'details': migration_record.stood_still(140),
        }
        shown = {'instanceAction': {'events': [{'event': 'x'}, event]}}
        self.api.answers[f'{base_path}/r1'] = shown
        self.assertEqual(140, self.cloud.downtime_ms('x'))
        # It is not a reason for anything.
        self.assertEqual('', self.cloud.reason('x'))
        # Who has no right to see details, sees none.
        del event['details']
        self.assertIsNone(self.cloud.downtime_ms('x'))
        before = api_items.seconds('2026-11-01T09:00:00.000000')
        self.assertIsNone(self.cloud.downtime_ms('x', before))
