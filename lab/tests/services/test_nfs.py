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

"""What the lab's NFS client makes of the calls of Nova and of Cinder."""

import os
from pathlib import Path
import subprocess

import fixtures
import testtools

from blocklab.services import control_plane

SHARE = '10.88.0.1:/srv/volumes'


class NfsClientTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        # In the place of bindfs: it shows what it is called with.
        self.place = self.useFixture(fixtures.TempDir()).path
        bindfs = Path(self.place) / 'bindfs'
        bindfs.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        bindfs.chmod(0o755)

    def run_as(self, *words: str) -> 'subprocess.CompletedProcess[str]':
        client = control_plane.NFS_CLIENT
        path = f'{client}:{self.place}:{os.environ["PATH"]}'
        return subprocess.run(
            [str(client / words[0]), *words[1:]],
            env={'PATH': path},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_options_are_left_out(self) -> None:
        for options in ((), ('-o', 'vers=4,minorversion=2')):
            done = self.run_as('mount', '-t', 'nfs', *options, SHARE, '/mnt')
            self.assertEqual(
                [
                    '-o', f'fsname={SHARE},subtype=glusterfs',
                    '/srv/volumes', '/mnt',
                ],
                done.stdout.splitlines(),
            )  # fmt: skip

    def test_without_a_share_it_tells_how_it_is_called(self) -> None:
        done = self.run_as('mount.nfs')
        self.assertEqual(1, done.returncode)
        self.assertIn('usage: mount.nfs', done.stderr)

    def test_other_file_systems_are_left_to_the_machine(self) -> None:
        self.assertIn('util-linux', self.run_as('mount', '--version').stdout)
