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

"""Tests of what is compared with another host."""

import dataclasses
import errno
import socket
from unittest import mock

import fixtures

from nova_blockmig.cmd import peer_checks
from nova_blockmig.compute import host_facts as facts_here
from nova_blockmig.core import host_findings
from nova_blockmig.core import operator_errors
from nova_blockmig.tests.unit import base

GOOD, CARE, BAD = host_findings.Level


class PeersTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.peers = peer_checks.Peers(mock.Mock())
        self.hosts = mock.Mock()
        self.hosts.facts.side_effect = lambda name: dataclasses.replace(
            facts_here.here(), host=name, free_bytes=2**40
        )
        self.peers.__dict__['_bus'] = self.hosts

    def test_alike(self):
        self.assertIs(GOOD, self.peers.settings('server-01').level)
        self.assertIs(GOOD, self.peers.clock('server-01').level)

    def test_asked_once_for_both_with_a_warm_connection(self):
        self.peers.settings('server-01')
        self.peers.clock('server-01')
        self.assertEqual(2, self.hosts.facts.call_count)

    def test_a_host_with_the_in_tree_driver(self):
        self.hosts.facts.side_effect = operator_errors.NotAnswered(
            'server-01 does not know the question'
        )
        found = self.peers.settings('server-01')
        self.assertIs(CARE, found.level)
        self.assertIn('does not know the question', found.text)
        self.assertIs(CARE, self.peers.clock('server-01').level)


class PortsTest(base.TestCase):
    def ports(self, silent=()):
        def connect(address, timeout):
            if address[1] in silent:
                raise TimeoutError('timed out')
            if address[1] == 49152:
                return mock.Mock()
            raise OSError(errno.ECONNREFUSED, 'Connection refused')

        self.useFixture(
            fixtures.MockPatchObject(socket, 'create_connection', connect)
        )
        return peer_checks.ports('server-01')

    def test_refused_is_reached(self):
        self.assertIs(GOOD, self.ports().level)

    def test_what_a_firewall_drops(self):
        found = self.ports({49160, 49161})
        self.assertIs(BAD, found.level)
        self.assertIn('2 (first 49160)', found.text)
