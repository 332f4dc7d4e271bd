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

"""A host is emptied, upgraded to Debian 13 and filled again, in short.

The long form is ``labctl demo --upgrade``.
"""

from blocklab.migration import upgrade
from nova_blockmig.tests.lab import base

DISKS = {'disk', 'disk.config', 'disk.eph0', 'disk.eph1', 'disk.swap'}


class UpgradeTest(base.LabTestCase):
    def test_every_disk_goes_away_and_comes_back(self) -> None:
        """The other host stays what this machine is, Debian 12 or 13.

        So one of the two moves is from Debian 12 to Debian 13, on either.
        """
        self.use(systems={base.SOURCE: upgrade.OLD})
        upgrade.remove(self.lab)
        # For the tests that come after this one.
        self.addCleanup(self.use)
        self.addCleanup(upgrade.remove, self.lab)

        def renew(host: str, system: str) -> None:
            self.use(systems={host: system})

        story = upgrade.tell(
            self.lab, renew, (base.SOURCE,), (upgrade.Way.PAUSED,)
        )
        self.assertEqual([], story.wrong())
        self.assertTrue(story.sound)
        away, back = story.steps
        pairs = (away.versions, back.versions)
        unlike = [old.qemu != new.qemu for old, new in pairs]
        self.assertEqual(1, unlike.count(True), str(pairs))
        for step in story.steps:
            (arrival,) = step.arrivals
            self.assertEqual(DISKS, {row.name for row in arrival.disks})
