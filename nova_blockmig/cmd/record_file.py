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

"""The file of a drain's record: whole at any moment, and one process's."""

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import os
import pathlib
import tempfile

from nova_blockmig.core import drain_record
from nova_blockmig.core import operator_errors


def default(host: str) -> pathlib.Path:
    """Where the record of a host is, if the operator does not say."""
    return pathlib.Path(f'{host}.drain.json')


def load(path: pathlib.Path) -> drain_record.Record | None:
    """The record; None if there is no such file.

    :raises operator_errors.CannotAsk: the file cannot be read.
    """
    try:
        return drain_record.from_json(path.read_text('utf-8'))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise operator_errors.CannotAsk(
            f'{path} cannot be read: {error.strerror}'
        ) from error
    except ValueError as error:
        raise operator_errors.CannotAsk(
            f'{path} is not the record of a drain: {error}'
        ) from error


def save(path: pathlib.Path, text: str) -> None:
    """Write a file so that it is whole whenever we are killed.

    :raises operator_errors.CannotAsk: it cannot be written.
    """
    with _writing(path):
        _save(path.resolve(), text)


def assert_can_save(path: pathlib.Path) -> None:
    """Find out before the work, and not after it.

    :raises operator_errors.CannotAsk: a file cannot be written there.
    """
    with _writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.NamedTemporaryFile(dir=path.resolve().parent):
            pass


@contextlib.contextmanager
def _writing(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise operator_errors.CannotAsk(
            f'{path} cannot be written: {error.strerror}'
        ) from error


def _save(path: pathlib.Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        'w', encoding='utf-8', dir=path.parent, prefix=f'.{path.name}.',
        delete=False,
    ) as file:  # fmt: skip
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def alone(path: pathlib.Path) -> Iterator[None]:
    """Nobody else works with this record meanwhile.

    :raises operator_errors.CannotAsk: somebody does.
    """
    lock = path.with_name(f'.{path.name}.lock')
    with _writing(path):
        file = lock.open('w')
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise operator_errors.CannotAsk(
                f'another nova-blockmig process is using {path}'
            ) from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
