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
Nova from Python altogether. So a finder is registered when the interpreter
starts: :func:`register` is called by ``nova-blockmig.start`` (PEP 829, Python
3.15 and newer) and by the ``import`` line of ``nova-blockmig.pth`` (older
ones), which are both installed beside this package. A Python that knows
``.start`` files ignores the other; Python 3.18 ignores such lines altogether.

Every Python process of the environment imports this module, so it imports
nothing of Nova and nothing large before it is asked for the driver.
"""

from collections.abc import Sequence
import importlib.abc
import importlib.machinery
import sys
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


class Finder:
    """Answers for ``nova.virt.nova_blockmig``, and for no other name."""

    @staticmethod
    def find_spec(
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """How to import the module; None if the name is not ours."""
        if name != NAME:
            return None
        return importlib.machinery.ModuleSpec(
            NAME, Loader(), origin='nova_blockmig.driver'
        )


def register() -> None:
    """Let ``nova.virt.nova_blockmig`` be imported from now on.

    The finder comes last, so that it slows no other import down, and once:
    a site directory may be read twice.
    """
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
