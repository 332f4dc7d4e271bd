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

"""Why a command of the operator's could not do what it was asked to."""


class OperatorError(Exception):
    """``str()`` is one sentence for the operator.

    :cvar exit_code: of the command that ends with it.
    """

    exit_code = 2


class CannotAsk(OperatorError):
    """The cloud, or a file, could not be asked at all."""


class NoCredentials(CannotAsk):
    """There are none, or they are not complete."""


class NotAnswered(CannotAsk):
    """One host, of several, could not be asked."""


class NotOurs(NotAnswered):
    """It runs the in-tree driver, or a nova-blockmig that is too old."""


class No(OperatorError):
    """It was asked, and the answer is no."""

    exit_code = 1
