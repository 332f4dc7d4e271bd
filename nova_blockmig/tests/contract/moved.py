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

"""What a Nova has moved from under our feet."""

import pathlib

from nova_blockmig.tests.contract import nova_names
from nova_blockmig.tests.contract import novasource
from nova_blockmig.tests.contract import uses


def moved(tree: pathlib.Path, major: int) -> list[str]:
    """A sentence for each name that is not in Nova as our code needs it.

    :param tree: the directory that holds ``nova/``.
    :param major: of that Nova, such as 34.
    """
    nova = novasource.Source(tree)
    names = [n for n in nova_names.NAMES if n.holds_in(major)]
    return [
        *_listed(nova, names),
        *_imported(nova),
        *_taken(nova, {name.name for name in names}),
    ]


def unlisted(tree: pathlib.Path) -> list[str]:
    """What our code uses of Nova and the table of names does not list.

    :param tree: the directory that holds ``nova/``.
    """
    nova = novasource.Source(tree)
    listed = {name.name.rpartition('.')[2] for name in nova_names.NAMES}
    functions = {(name.module, name.name) for name in nova_names.NAMES}
    driver = uses.DRIVER.read_text()
    own = uses.own(driver)
    found = {
        f'driver.py: {name}' for name in uses.inherited(driver) - listed
    } | {
        f'driver.py: {name}'
        for name in own - listed
        if nova.has(nova_names.DRIVER, f'{uses.CLASS}.{name}')
    }
    for path in uses.modules():
        source = path.read_text()
        used = uses.private(source) | uses.of_known_objects(source)
        found |= {f'{path.name}: {name}' for name in used - listed - own}
        found |= {
            f'{path.name}: {module}.{name}'
            for module, name in uses.imported(source) - functions
            if nova.is_function(module, name)
        }
    return sorted(found)


def _listed(
    nova: novasource.Source, names: list[nova_names.Name]
) -> list[str]:
    found = []
    for name in names:
        where = f'{name.module}.{name.name}'
        if not nova.has(name.module, name.name):
            found.append(f'{where} is gone (needed: {name.why})')
        elif name.parameters is not None:
            there = nova.parameters(name.module, name.name)
            if there != name.parameters:
                found.append(
                    f'{where} takes ({there}), not ({name.parameters})'
                )
    return found


def _imported(nova: novasource.Source) -> list[str]:
    found = []
    for path in uses.modules():
        for module, name in sorted(uses.imported(path.read_text())):
            first = name.partition('.')[0]
            if not (
                nova.has(module, first)
                or (module == 'nova.objects' and nova.object_class(first))
            ):
                found.append(f'{module}.{first} is gone ({path.name})')
    return found


def _taken(nova: novasource.Source, listed: set[str]) -> list[str]:
    """Names of ours that the in-tree class or its base has begun to use."""
    return [
        f'{module}.{cls} now has {name}, which is a name of ours'
        for name in sorted(uses.own(uses.DRIVER.read_text()))
        for module, cls in (
            (nova_names.DRIVER, uses.CLASS),
            ('nova.virt.driver', 'ComputeDriver'),
        )
        if listed.isdisjoint({f'{uses.CLASS}.{name}', f'{cls}.{name}'})
        and nova.has(module, f'{cls}.{name}')
    ]
