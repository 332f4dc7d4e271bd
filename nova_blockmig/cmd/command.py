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

"""What all commands share: the cloud, one-sentence errors, exit codes.

The same classes are commands of ``nova-blockmig`` and of ``openstack``.
Exit codes: 0 it is done, or so; 1 it is not; 2 it could not be asked.
"""

import argparse
import logging
import sys
import traceback
from typing import Any

from cliff import command
from cliff import lister
from cliff import show

from nova_blockmig.cmd import api_errors
from nova_blockmig.cmd import cloud
from nova_blockmig.cmd import screen
from nova_blockmig.cmd import sdk_cloud
from nova_blockmig.core import operator_errors

LOG = logging.getLogger(__name__)
INTERRUPTED = 130


class Operator(command.Command):
    """Base of every command; ``take_action`` may set ``exit_code``."""

    exit_code = 0

    @property
    def screen(self) -> screen.Screen:
        """Where to show what happens meanwhile."""
        if not hasattr(self, '_screen'):
            self._screen = screen.Screen(getattr(self.app, 'stderr', None)
                                         or sys.stderr)  # fmt: skip
        return self._screen

    def connection(self) -> Any:
        """The openstack.connection.Connection of the credentials.

        :raises operator_errors.CannotAsk: there are none.
        """
        with api_errors.sentence():
            # The openstack client's application has it as well.
            clients: Any = getattr(self.app, 'client_manager')  # noqa: B009
            return clients.sdk_connection

    def cloud(self) -> cloud.Cloud:
        """The cloud that the credentials are for.

        :raises operator_errors.CannotAsk: there are none.
        """
        return sdk_cloud.SdkCloud(self.connection())

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; its exit code."""
        try:
            code = super().run(parsed_args)
        except operator_errors.OperatorError as error:
            return self._fail(f'{error}.', error.exit_code)
        except KeyboardInterrupt:
            return self._fail('Interrupted.', INTERRUPTED)
        except Exception as error:
            what = f'{type(error).__name__}: {error}'.partition('\n')[0]
            return self._fail(
                f'Unexpected error ({what}); use --debug for the traceback.',
                2,
            )
        return self.exit_code or code

    def _fail(self, sentence: str, code: int) -> int:
        if getattr(self.app.options, 'debug', False):
            traceback.print_exc()
        name = self.app.NAME if hasattr(self.app, 'NAME') else 'openstack'
        self.screen.say(f'{name}: {sentence}')
        return code


class Shown(Operator, show.ShowOne):
    """A command whose result is one thing."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The names and the values."""
        fields = self.fields(parsed_args)
        return tuple(fields), tuple(fields.values())

    def fields(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """Name -> value."""
        raise NotImplementedError


class Listed(Operator, lister.Lister):
    """A command whose result is a list.

    :cvar nothing: what is said where the list is empty.
    """

    nothing = 'Nothing to list.'

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Any, data: Any
    ) -> int:
        """People need no ids beside names that are all different."""
        rows = [tuple(row) for row in data]
        names = tuple(column_names)
        if parsed_args.formatter == 'table':
            if not rows:
                self.screen.say(self.nothing)
                return 0
            if not parsed_args.columns and {'name', 'id'} <= {*names}:
                name, id_ = names.index('name'), names.index('id')
                if len({row[name] for row in rows}) == len(rows):
                    names = names[:id_] + names[id_ + 1 :]
                    rows = [row[:id_] + row[id_ + 1 :] for row in rows]
        return int(super().produce_output(parsed_args, names, rows) or 0)
