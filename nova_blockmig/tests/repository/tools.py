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

"""The project's tools, as modules: they have no .py in their names."""

import importlib.machinery
import importlib.util
import pathlib
import types

ROOT = pathlib.Path(__file__).parents[3]


def load(name: str) -> types.ModuleType:
    """A file of tools/ as a module."""
    loader = importlib.machinery.SourceFileLoader(
        name.replace('-', '_'), str(ROOT / 'tools' / name)
    )
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
