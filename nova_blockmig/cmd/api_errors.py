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

"""One sentence for whatever goes wrong between us and the cloud's APIs."""

from collections.abc import Iterator
import contextlib
import re

from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions as sdk_exceptions

from nova_blockmig.core import operator_errors


@contextlib.contextmanager
def sentence(*, asked_to_act: bool = False) -> Iterator[None]:
    """One sentence for whatever goes wrong on the way.

    :param asked_to_act: whether a no is an answer; else it is none.
    """
    try:
        yield
    except (
        sdk_exceptions.ForbiddenException,
        keystone_exceptions.Forbidden,
    ) as error:
        raise operator_errors.CannotAsk(
            'these credentials are not authorized to do this; administrator '
            f'credentials are required ({_first_line(error)})'
        ) from error
    except keystone_exceptions.Unauthorized as error:
        raise operator_errors.CannotAsk(
            f'Keystone rejected these credentials ({_first_line(error)})'
        ) from error
    except (
        sdk_exceptions.ConfigException,
        keystone_exceptions.MissingRequiredOptions,
        keystone_exceptions.MissingAuthPlugin,
    ) as error:
        raise operator_errors.NoCredentials(
            'the credentials are incomplete: set --os-cloud or OS_CLOUD to '
            'an entry in clouds.yaml, or set OS_AUTH_URL and the related '
            f'variables ({_first_line(error)})'
        ) from error
    except sdk_exceptions.HttpException as error:
        status = error.status_code or 0
        kind = (
            operator_errors.No
            if asked_to_act and 400 <= status < 500 and status != 401
            else operator_errors.CannotAsk
        )
        raise kind(f'Nova returned an error: {_first_line(error)}') from error
    except (
        sdk_exceptions.SDKException,
        keystone_exceptions.ClientException,
        OSError,
    ) as error:
        raise operator_errors.CannotAsk(
            f'the request to the cloud failed: {_first_line(error)}'
        ) from error
    except Exception as error:
        # Of no class of its own where a password is missing.
        if 'is a required attribute' not in str(error):
            raise
        raise operator_errors.NoCredentials(
            f'the credentials are incomplete: {_first_line(error)}'
        ) from error


# What requests says of a connection that failed, and in it the reason.
_POOL = re.compile(r': HTTPS?ConnectionPool\(')
_REASON = re.compile(r'\[Errno -?\d+\] ([^"\')]+)')


def _first_line(error: Exception) -> str:
    """The first line, without what only a programmer needs."""
    details = getattr(error, 'details', None)
    text = str(details or getattr(error, 'message', None) or error)
    what, *pool = _POOL.split(text, maxsplit=1)
    if pool:
        reason = _REASON.search(pool[0])
        text = f'{what}: {reason[1]}' if reason else what
    return text.strip().partition('\n')[0].rstrip('.') or type(error).__name__
