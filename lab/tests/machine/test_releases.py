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

"""The releases that the lab runs are those that the package knows."""

import testtools

from blocklab.machine import releases
from nova_blockmig import version


class ReleasesTest(testtools.TestCase):
    def test_the_same_as_the_package_knows(self) -> None:
        known = {
            name: (
                number,
                'threading'
                if number >= version.NATIVE_THREADS_SINCE
                else 'eventlet',
            )
            for number, name in version.KNOWN_RELEASES.items()
        }
        self.assertEqual(
            known,
            {
                name: (release.nova, release.concurrency)
                for name, release in releases.RELEASES.items()
            },
        )

    def test_the_newest_unless_another_is_chosen(self) -> None:
        newest = max(version.KNOWN_RELEASES)
        self.assertEqual(version.KNOWN_RELEASES[newest], releases.DEFAULT)
