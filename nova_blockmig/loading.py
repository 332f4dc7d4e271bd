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

"""How Nova finds the driver.

Nova imports ``nova.virt.<compute_driver>`` and nothing else, and ``nova``
is a closed package: a file of ours under ``nova/`` would hide an editable
Nova from Python altogether. So ``nova-blockmig.pth``, which is installed
beside this package, registers a finder at interpreter start. It answers for
``nova.virt.nova_blockmig`` only, comes last so that it never slows another
import down, and imports this module when it is first asked.
"""

import importlib
import importlib.machinery
import types

NAME = 'nova.virt.nova_blockmig'


class _Loader:
    """Makes the module that Nova imports: the driver class, no more."""

    def create_module(
        self, spec: importlib.machinery.ModuleSpec
    ) -> types.ModuleType | None:
        """None: an ordinary, empty module will do."""
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill the module.

        :raises ImportError: if this Nova is too old for us. Nova logs it
            and exits.
        """
        version = importlib.import_module('nova_blockmig.version')
        nova = importlib.import_module('nova.version')
        why = version.refusal(nova.version_string())
        if why:
            raise ImportError(why, name=NAME)
        driver = importlib.import_module('nova_blockmig.driver')
        module.__doc__ = 'nova_blockmig.driver, under the name Nova imports.'
        module.__dict__['LibvirtDriver'] = driver.LibvirtDriver


def spec() -> importlib.machinery.ModuleSpec:
    """How to import ``nova.virt.nova_blockmig``; the .pth line calls this."""
    return importlib.machinery.ModuleSpec(
        NAME, _Loader(), origin='nova_blockmig.driver'
    )
