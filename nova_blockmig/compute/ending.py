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

"""How a copy ends that does not end well.

Nova's monitor decides by what libvirt says of the job, and rolls back. Four
things are added. What libvirt raised goes into the instance's events, not
through the monitor: since Nova 32.2 it would be raised again after the
rollback, and put an instance that runs as before into ERROR. A libvirtd that
is restarted is asked again. Figures that cannot be saved for a while, because
the message bus, the database or the conductor is restarted, do not end the
copy: Nova would abort it and put the instance into ERROR. And a guest that
ended on the source in mid-copy did not leave: Nova takes every domain that is
shut off for one that has arrived, and would remove the only whole disks.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import time

from nova import exception
from nova.compute import utils as compute_utils
import nova.conf
from nova.virt.libvirt import driver as libvirt_driver
from oslo_context import context as request_context
from oslo_log import log as logging
import oslo_messaging as messaging

from nova_blockmig.compute import departure
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import progress
from nova_blockmig.compute import record

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

COPY = 'copy'
ENDED_ON_SOURCE = 'ended_on_source'
PREPARE = 'prepare'

_ENDED = (
    'the guest stopped on the source before it was migrated; its disks on '
    'the source are unchanged'
)
_MOST_RESTARTS = 3
_RESTART_SECONDS = 60
"""How long libvirtd may take to answer again."""
_SAVE_AGAIN_SECONDS = 5
"""As often as Nova's monitor saves its figures."""


@contextlib.contextmanager
def reporting_copy(
    context: nova_types.Context,
    instance: nova_types.Instance,
    copy: record.Copy,
) -> Iterator[None]:
    """Put what libvirt's migration raises into the instance's events.

    Nothing is raised: the monitor finds out by itself that the job is over.
    A deliberate abort is no error, and Nova's record of it says enough.
    """
    try:
        yield
    except Exception as exc:
        LOG.error('The copy of the guest failed: %s', exc, instance=instance)
        copy.failed(exc)
        if not copy.aborted:
            report(context, instance, COPY, copy.reason)


def report(
    context: object,
    instance: nova_types.Instance,
    step: str,
    reason: str,
) -> None:
    """Let ``openstack server event show`` tell why a migration failed.

    For what happens after Nova has noted the request itself as done.
    Never raises: the failure is what has to be dealt with.

    :param step: of the migration; becomes part of the event's name.
    """
    failure = exception.MigrationError(reason=reason)
    try:
        with compute_utils.EventReporter(
            context,
            f'compute_live_migration_{step}',
            CONF.host,
            instance.uuid,
            graceful_exit=True,
        ):
            raise failure
    except Exception as exc:
        if exc is not failure:
            LOG.warning(
                'Unable to record the reason in the instance events: %s',
                exc,
                instance=instance,
            )


def report_preparation(instance: nova_types.Instance, reason: str) -> None:
    """The same for what the source does before it copies.

    Nova's disk info is asked for without a context.
    """
    report(request_context.get_current(), instance, PREPARE, reason)


class Monitor:
    """Nova's ``_live_migration_monitor``, for a block migration.

    :param monitor: Nova's own.
    :param host: nova.virt.libvirt.host.Host of the driver.
    :param watching: gives the monitor a guest that tells the bytes of its
        disks.
    :param copy: how the copy ended, as far as that is known.
    """

    def __init__(
        self,
        monitor: Callable[..., None],
        host: libvirt_types.Host,
        watching: Callable[
            ..., contextlib.AbstractContextManager[progress.MonitoredGuest]
        ],
        copy: record.Copy,
    ) -> None:
        self._monitor = monitor
        self._host = host
        self._watching = watching
        self._copy = copy
        self._decided = False

    def __call__(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        guest: libvirt_types.Guest,
        dest: str,
        post: nova_types.PostMethod,
        recover: nova_types.RecoverMethod,
        block_migration: bool,
        migrate_data: nova_types.MigrateData,
        future: object,
        disk_paths: list[str],
    ) -> None:
        """Watch the job to its end, whatever is restarted meanwhile.

        :raises libvirtError: it cannot be found out how the job ended; the
            files on both hosts are left as they are.
        """
        with self._watching(
            instance, dest, guest, disk_paths, migrate_data
        ) as watched:
            arrived = watched.saving_as_done(post)
            self._watch(
                instance,
                watched,
                lambda: self._monitor(
                    context,
                    instance,
                    watched,
                    dest,
                    self._unless_ended_here(watched, arrived, recover),
                    self._recovering(recover),
                    block_migration,
                    migrate_data,
                    future,
                    disk_paths,
                ),
                lambda: arrived(
                    context, instance, dest, block_migration, migrate_data
                ),
            )

    def _watch(
        self,
        instance: nova_types.Instance,
        guest: libvirt_types.Guest,
        monitor: Callable[[], None],
        arrived: Callable[[], None],
    ) -> None:
        left = _MOST_RESTARTS
        while True:
            try:
                monitor()
            except libvirt_driver.libvirt.libvirtError as exc:
                if self._decided or not left:
                    raise
                LOG.warning(
                    'Unable to ask libvirt for the state of the migration: %s',
                    exc,
                    instance=instance,
                )
                domain = self._domain_found_again(instance, exc)
                if domain is None:
                    # Only of a guest that has left libvirt removes it, see
                    # `departure.ended_here`.
                    self._decided = True
                    arrived()
                    return
                guest._domain = domain
                left -= 1
            except messaging.MessagingException as exc:
                if self._decided:
                    raise
                LOG.warning(
                    'Unable to save the progress of the migration: %s',
                    exc,
                    instance=instance,
                )
                time.sleep(_SAVE_AGAIN_SECONDS)
            else:
                return

    def _domain_found_again(
        self, instance: nova_types.Instance, lost: Exception
    ) -> libvirt_types.Domain | None:
        """The domain, from a connection to libvirt that is new if need be.

        :returns: None if libvirt answers that it has none.
        :raises libvirtError: `lost`, if libvirt stays away.
        """
        deadline = time.monotonic() + _RESTART_SECONDS
        while True:
            time.sleep(1)
            try:
                return self._host.get_guest(instance)._domain
            except exception.InstanceNotFound:
                return None
            except exception.NovaException as exc:
                if time.monotonic() > deadline:
                    raise lost from exc

    def _recovering(self, recover: Callable[..., None]) -> Callable[..., None]:
        """Nova's recover method; what it raises is not the monitor's."""

        def recovering(*args: object, **kwargs: object) -> None:
            self._decided = True
            # libvirt tells of an abort only while the job ends.
            if self._copy.aborted:
                kwargs = {'migration_status': 'cancelled', **kwargs}
            recover(*args, **kwargs)

        return recovering

    def _unless_ended_here(
        self,
        guest: libvirt_types.Guest,
        post: nova_types.PostMethod,
        recover: nova_types.RecoverMethod,
    ) -> Callable[..., None]:
        """Nova's post method, for a guest that may have ended here."""

        def post_or_recover(
            context: nova_types.Context,
            instance: nova_types.Instance,
            dest: str,
            block_migration: bool,
            migrate_data: nova_types.MigrateData,
        ) -> None:
            here = departure.ended_here(guest)
            self._decided = True
            if not here:
                post(context, instance, dest, block_migration, migrate_data)
                return
            LOG.error('Migration failed: %s', _ENDED, instance=instance)
            self._copy.reason = _ENDED
            try:
                recover(context, instance, dest, migrate_data)
            finally:
                report(context, instance, ENDED_ON_SOURCE, _ENDED)

        return post_or_recover
