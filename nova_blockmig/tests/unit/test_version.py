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

import importlib.metadata
from unittest import mock

from nova_blockmig import version
from nova_blockmig.tests.unit import base


class TestVersion(base.TestCase):
    def test_every_known_release_is_taken_silently(self) -> None:
        for release in version.KNOWN_RELEASES:
            for text in (f'{release}.0.0', f'{release}.2.1.dev17'):
                self.assertIsNone(version.refusal(text), text)
                self.assertIsNone(version.caution(text), text)

    def test_an_older_nova_is_refused(self) -> None:
        why = version.refusal('30.2.1')
        assert why is not None
        self.assertIn('this is Nova 30.2.1', why)
        self.assertIn('needs Nova 31 (2025.1) or newer', why)
        self.assertIn('compute_driver = libvirt.LibvirtDriver', why)

    def test_a_newer_nova_is_taken_with_a_caution(self) -> None:
        self.assertIsNone(version.refusal('35.0.0'))
        what = version.caution('35.0.0')
        assert what is not None
        self.assertIn('not been tested with Nova 35.0.0', what)
        self.assertIn('34 (2026.2)', what)

    def test_a_nova_of_unknown_age_is_taken_with_a_caution(self) -> None:
        for text in ('0.0.0', '0.0.1.dev9', 'unknown', ''):
            self.assertIsNone(version.major(text), text)
            self.assertIsNone(version.refusal(text), text)
            self.assertIsNotNone(version.caution(text), text)

    def test_package_without_metadata(self) -> None:
        missing = importlib.metadata.PackageNotFoundError
        with mock.patch(
            'importlib.metadata.version', side_effect=missing, autospec=True
        ):
            self.assertEqual('unknown', version.package_version())
