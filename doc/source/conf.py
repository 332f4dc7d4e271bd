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

"""Sphinx configuration of the documentation."""

import csv
import pathlib

from nova_blockmig.core import known_bad

extensions = [
    'cliff.sphinxext',
    'openstackdocstheme',
    'oslo_config.sphinxext',
]
project = 'nova-blockmig'
copyright = 'The nova-blockmig developers'
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
pygments_style = 'native'
# A reference that leads nowhere is an error too.
nitpicky = True


def _write_known_bad(app):
    """The table of known-bad versions, as the driver has it."""
    header = ('Product', 'Versions', 'When', 'What may happen', 'What to do',
              'What nova-blockmig does', 'Source')  # fmt: skip
    path = pathlib.Path(app.srcdir, 'admin', 'known-bad.csv')
    with path.open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for entry in known_bad.TABLE:
            first = 'all' if not any(entry.since) else f'{_text(entry.since)}'
            but = ''.join(
                f', but not {_text(v)} and later {v[0]}.{v[1]}.x'
                for v in entry.fixed_in
            )
            writer.writerow((
                entry.product,
                f'{first} before {_text(entry.fixed)}{but}',
                entry.when, entry.consequence, entry.remedy, entry.action,
                entry.source,
            ))  # fmt: skip


def _text(version):
    return known_bad.dotted(version)


def setup(app):
    app.connect('builder-inited', _write_known_bad)
