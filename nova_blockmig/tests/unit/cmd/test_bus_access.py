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

"""Tests of how the message bus is reached."""

import socket
from unittest import mock

from keystoneauth1 import exceptions as keystone_exceptions
import oslo_messaging as messaging

from nova_blockmig.cmd import bus_access
from nova_blockmig.core import operator_errors
from nova_blockmig.tests.unit import base

CATALOG = [
    {
        'type': 'image',
        'name': 'glance',
        'endpoints': [
            {'interface': 'public', 'region': 'One', 'url': 'http://p'},
            {'interface': 'internal', 'region': 'One', 'url': 'http://i'},
            {'interface': 'public', 'region': 'Two', 'url': 'http://p2'},
        ],
    },
    {'type': 'identity', 'endpoints': []},
]


class KnockTest(base.TestCase):
    def knock(self, url, answers=()):
        parsed = messaging.TransportURL.parse(bus_access.CONF, url)
        self.connect = mock.Mock(side_effect=answers)
        with (
            mock.patch.object(
                messaging.TransportURL, 'parse', return_value=parsed
            ),
            mock.patch.object(socket, 'create_connection', self.connect),
        ):
            bus_access.knock()

    def test_one_that_listens_is_enough(self):
        answers = [OSError(111, 'Connection refused'), mock.Mock()]
        self.knock('rabbit://u:p@one:5673,u:p@two//', answers)
        self.assertEqual(
            [(('one', 5673), 5), (('two', 5672), 5)],
            [call.args for call in self.connect.call_args_list],
        )

    def test_none_listens(self):
        refused = OSError(111, 'Connection refused')
        error = self.assertRaises(
            operator_errors.CannotAsk,
            self.knock,
            'rabbit://user:secret@one//',
            [refused],
        )
        self.assertIn('one:5672: Connection refused', str(error))
        self.assertNotIn('secret', str(error))

    def test_none_is_named(self):
        error = self.assertRaises(
            operator_errors.CannotAsk, self.knock, 'rabbit://'
        )
        self.assertIn('transport_url', str(error))

    def test_another_kind_of_bus(self):
        self.knock('fake:/')
        self.connect.assert_not_called()


class WithTokenTest(base.TestCase):
    def test_the_token_and_where_glance_is(self):
        access = mock.Mock(auth_token='token', user_id='u', project_id='p')
        access.service_catalog.catalog = CATALOG
        connection = mock.Mock()
        connection.session.auth.get_access.return_value = access
        found = bus_access.with_token(connection)()
        self.assertEqual('token', found.auth_token)
        self.assertTrue(found.is_admin)
        self.assertEqual(
            [
                {
                    'type': 'image',
                    'name': 'glance',
                    'endpoints': [
                        {
                            'region': 'One',
                            'publicURL': 'http://p',
                            'internalURL': 'http://i',
                        },
                        {'region': 'Two', 'publicURL': 'http://p2'},
                    ],
                }
            ],
            found.service_catalog,
        )

    def test_no_token(self):
        connection = mock.Mock()
        connection.session.auth.get_access.side_effect = (
            keystone_exceptions.Unauthorized('no')
        )
        self.assertRaises(
            operator_errors.CannotAsk, bus_access.with_token, connection
        )
