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

"""The page for the change ticket, as a real browser shows it."""

import html
import json
import pathlib
import re
import subprocess
from typing import Any

import fixtures
import testtools

from nova_blockmig.core import drain_record
from nova_blockmig.core import report_page
from nova_blockmig.core import servers

State = drain_record.State
BROWSER = 'chromium'
WIDTH, HEIGHT = 1000, 900
# Of the bars of the timeline.
GREEN, RED = 'rgb(47, 158, 85)', 'rgb(210, 63, 63)'
# Only of the test: the page itself has no script.
MEASURE = """<script>
const place = (e) => {
  const at = e.getBoundingClientRect();
  return {left: at.left, right: at.right, fill: getComputedStyle(e).fill};
};
const all = (what) => [...document.querySelectorAll(what)].map(place);
document.body.dataset.measured = JSON.stringify({
  needs: document.documentElement.scrollWidth,
  has: document.documentElement.clientWidth,
  bars: all('svg rect'), names: all('svg text'),
});
</script>"""


def record() -> drain_record.Record:
    """Two that have moved, one of a long name, one that failed."""
    journey = drain_record.Journey(began=1000.0, ended=1100.0)
    for name, seconds, reason in (
        ('web-1', 20.0, ''),
        ('データベース-' * 12, 60.0, ''),
        ('<b>cache</b>', 5.0, 'it does not fit & stays'),
    ):
        entry = journey.add(
            servers.Server(
                name, name, 'ACTIVE', 'server2', memory_mb=1024, disk_gb=10
            )
        )
        entry.state = State.FAILED if reason else State.MOVED
        entry.reason = reason
        entry.attempts.append(
            drain_record.Attempt(
                'server2', 'server-01', 'live', 1010.0, 1010.0 + seconds,
                reason,
            )
        )  # fmt: skip
    return drain_record.Record('server2', 'nova-blockmig drain', journey)


class InABrowserTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.room = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.page = self.room / 'page.html'
        self.page.write_text(report_page.page(record(), now=1100.0), 'utf-8')

    def browser(self, *options: str) -> str:
        """What a browser that has no network writes."""
        done = subprocess.run(
            [
                BROWSER, '--headless', '--no-sandbox', '--disable-gpu',
                '--no-first-run', '--disable-background-networking',
                '--disable-component-update', '--disable-sync',
                '--host-resolver-rules=MAP * ~NOTFOUND',
                f'--user-data-dir={self.room / "profile"}',
                *options, self.page.as_uri(),
            ],
            capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_what_the_browser_makes_of_it(self) -> None:
        found = self.browser('--dump-dom')
        self.assertIn('<title>Maintenance of server2</title>', found)
        # A table of three, and nothing that a name has brought in.
        (body,) = re.findall(r'<tbody>(.*?)</tbody>', found, re.DOTALL)
        self.assertEqual(3, body.count('<tr'))
        self.assertNotIn('<b>', found)
        self.assertIn('it does not fit &amp; stays', body)

    def test_where_it_is_drawn(self) -> None:
        text = self.page.read_text('utf-8')
        self.page.write_text(text.replace('</body>', f'{MEASURE}</body>'))
        for columns in (WIDTH, 500):
            found = self.browser(
                '--dump-dom', f'--window-size={columns},{HEIGHT}'
            )
            (measured,) = re.findall(r'data-measured="(.*?)"', found)
            seen = json.loads(html.unescape(measured))
            # A long name pushes nothing out of the window.
            self.assertLessEqual(seen['needs'], seen['has'])
            self.assert_bars(seen['bars'], seen['names'], seen['has'])

    def assert_bars(
        self,
        bars: list[dict[str, Any]],
        names: list[dict[str, Any]],
        right: float,
    ) -> None:
        """As long as the migrations, in the colours of their ends."""
        lengths = [bar['right'] - bar['left'] for bar in bars]
        self.assertAlmostEqual(3.0, lengths[1] / lengths[0], places=1)
        self.assertAlmostEqual(0.25, lengths[2] / lengths[0], places=1)
        self.assertEqual([GREEN, GREEN, RED], [bar['fill'] for bar in bars])
        for bar, name in zip(bars, names, strict=False):
            self.assertLessEqual(name['right'], bar['left'])
            self.assertLess(bar['right'], right)
