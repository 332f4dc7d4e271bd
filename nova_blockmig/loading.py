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

import importlib.abc
import importlib.machinery
import types

NAME = 'nova.virt.nova_blockmig'


class Loader(importlib.abc.Loader):
    """Makes the module that Nova imports: the driver class, no more.

    The imports wait until then, so that a Nova that is too old is told so
    before the driver stumbles over it.
    """

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill the module.

        :raises ImportError: if this Nova is too old for us. Nova logs it
            and exits.
        """
        import nova.version

        from nova_blockmig import version

        if why := version.refusal(nova.version.version_string()):
            raise ImportError(why, name=NAME)

        from nova_blockmig import driver

        module.__doc__ = 'nova_blockmig.driver, under the name Nova imports.'
        module.__dict__['LibvirtDriver'] = driver.LibvirtDriver


def spec() -> importlib.machinery.ModuleSpec:
    """How to import ``nova.virt.nova_blockmig``; the .pth line calls this."""
    return importlib.machinery.ModuleSpec(
        NAME, Loader(), origin='nova_blockmig.driver'
    )
