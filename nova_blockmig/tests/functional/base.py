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


"""Compute services of ours under Nova's API, each with a disk of its own.

Everything from the API to the driver is real, and so are the files. libvirt
is Nova's fake; it "copies" a disk by saying that it did.
"""

from collections.abc import Iterator
import contextlib
import contextvars
import functools
import importlib.util
import os
import sys
import types
from typing import Any
from unittest import mock
import urllib.parse

import fixtures
import nova
from nova import context
from nova import objects
import nova.conf
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.libvirt import base
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import imagecache
from oslo_config import cfg

from nova_blockmig import loading

CONF = nova.conf.CONF
GIB = 2**30


_MORE_TIMES = 11


class PerHostConfFixture(fixtures.Fixture):
    """A few options with a value for each host.

    Nova's fixtures run all services in one process, with one CONF. What a
    driver does is done with the options of its own host.
    """

    def _setUp(self) -> None:  # noqa: N802
        self.options: dict[str, dict[str, Any]] = {}
        self._host: contextvars.ContextVar[str | None] = (
            contextvars.ContextVar('host', default=None)
        )
        original = cfg.ConfigOpts.__getattr__

        def getattr_(conf: cfg.ConfigOpts, name: str) -> Any:
            options = self.options.get(self._host.get() or '', {})
            if conf is CONF and name in options:
                return options[name]
            return original(conf, name)

        self.useFixture(
            fixtures.MonkeyPatch(
                'oslo_config.cfg.ConfigOpts.__getattr__', getattr_
            )
        )

    @property
    def host(self) -> str | None:
        """The host whose driver is at work in this thread."""
        return self._host.get()

    @contextlib.contextmanager
    def on(self, host: str) -> Iterator[None]:
        """Be that host."""
        token = self._host.set(host)
        try:
            yield
        finally:
            self._host.reset(token)

    def bound(self, driver_class: type) -> type:
        """A driver whose every method runs on its host, in any thread."""
        on = self.on

        class Bound(driver_class):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                # Nova's fixtures set it for the service that is starting.
                self.bound_to = CONF.host
                with on(self.bound_to):
                    super().__init__(*args, **kwargs)

            def __getattribute__(self, name: str) -> Any:
                value = super().__getattribute__(name)
                if not isinstance(value, types.MethodType):
                    return value

                @functools.wraps(value)
                def call(*args: Any, **kwargs: Any) -> Any:
                    with on(self.bound_to):
                        return value(*args, **kwargs)

                return call

        return Bound


class DriverFixture(fixtures.Fixture):
    """Lets Nova find the driver, whether or not we are installed.

    And the in-tree driver, for the other side of a mixed cloud.
    """

    def __init__(self, per_host: PerHostConfFixture) -> None:
        super().__init__()
        self._per_host = per_host

    def _setUp(self) -> None:  # noqa: N802
        spec = loading.Finder.find_spec(loading.NAME)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.__dict__['LibvirtDriver'] = self._per_host.bound(
            module.LibvirtDriver
        )
        module.__dict__['InTree'] = self._per_host.bound(
            libvirt_driver.LibvirtDriver
        )
        patch = mock.patch.dict(sys.modules, {loading.NAME: module})
        patch.start()
        self.addCleanup(patch.stop)


class BlockMigrationBase(base.ServersTestBase):
    """Compute hosts to migrate between.

    :ivar free: free bytes of each host's file system.
    """

    microversion = 'latest'
    ADMIN_API = True
    # The conductor must be able to refuse while the API call goes on.
    CAST_AS_CALL = False

    def setUp(self) -> None:
        self.per_host = self.useFixture(PerHostConfFixture())
        self.root = self.useFixture(fixtures.TempDir())
        self.free: dict[str, int] = {}
        self.useFixture(DriverFixture(self.per_host))
        self.flags(
            api_paste_config=_api_paste(),
            group='wsgi',
        )
        super().setUp()
        self._measure_what_the_test_says()
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.tests.fixtures.libvirt.Domain.migrateToURI3',
                self._copy,
            )
        )

    def _setup_compute_service(self) -> None:
        self.flags(compute_driver='nova_blockmig.LibvirtDriver')

    def _measure_what_the_test_says(self) -> None:
        def local_gb() -> dict[str, float]:
            free = self.free[self.per_host.host or ''] / GIB
            return {'total': 128, 'used': 128 - free, 'free': free}

        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.virt.libvirt.LibvirtDriver._get_local_gb_info',
                staticmethod(local_gb),
            )
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_blockmig.host.files.free_bytes',
                lambda _: self.free[self.per_host.host or ''],
            )
        )

    def start_host(
        self,
        name: str,
        free: int = 100 * GIB,
        in_tree: bool = False,
        memory_mb: int | None = None,
        **options: Any,
    ) -> Any:
        """Start a compute host with so many bytes free.

        :param in_tree: with Nova's own libvirt driver.
        :param memory_mb: of the host; as much as Nova's fixture has if None.
        :param options: of nova.conf's [DEFAULT], on this host only.
        """
        driver = 'InTree' if in_tree else 'LibvirtDriver'
        self.flags(compute_driver=f'nova_blockmig.{driver}')
        path = self.root.join(name)
        os.mkdir(path)
        self.free[name] = free
        self.per_host.options[name] = {
            'host': name,
            'instances_path': path,
            **options,
        }
        host_info = None
        if memory_mb is not None:
            # Named after another unit, but Nova takes it for MiB.
            host_info = fakelibvirt.HostInfo(kB_mem=memory_mb)
        self.start_compute(hostname=name, host_info=host_info)
        return self.computes[name]

    def _wait_for_migration_status(
        self, server: Any, expected_statuses: list[str]
    ) -> None:
        """Nova's own, which waits for five seconds, again and again.

        A machine that is busy with other tests takes longer.
        """
        for _ in range(_MORE_TIMES):
            with contextlib.suppress(AssertionError):
                super()._wait_for_migration_status(server, expected_statuses)
                return
        super()._wait_for_migration_status(server, expected_statuses)

    def set_free(self, name: str, free: int) -> None:
        """From now on so many bytes are free; the host's record follows."""
        self.free[name] = free
        self._run_periodics()

    def boot(self, host: str, disk_gb: int = 1, **disks: int) -> Any:
        """A server whose local disks are of these virtual sizes, in bytes.

        They are raw and sparse, with nothing in them.

        :param disk_gb: the size of its flavor's root disk.
        """
        server = self._create_server(
            host=host,
            networks='none',
            flavor_id=self._create_flavor(
                vcpu=1, memory_mb=512, disk=disk_gb, ephemeral=0
            ),
        )
        self.make_disks(host, server, **disks)
        return server

    def make_disks(self, host: str, server: Any, **disks: int) -> None:
        """Raw, sparse files of these sizes for a server's disks."""
        directory = self.instance_path(host, server)
        os.makedirs(directory, exist_ok=True)
        for name, size in disks.items():
            with open(os.path.join(directory, name), 'wb') as file:
                file.truncate(size)

    def set_record(self, host: str, **columns: Any) -> None:
        """Write columns of a host's compute_nodes record."""
        with context.target_cell(
            context.get_admin_context(), self.cell_mappings['cell1']
        ) as cell:
            node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
                cell, host
            )
            for name, value in columns.items():
                setattr(node, name, value)
            node.save()

    def cache_image(self, host: str, server: Any) -> None:
        """Let a host have the image of a server in its cache."""
        directory = os.path.join(self.root.join(host), '_base')
        os.makedirs(directory, exist_ok=True)
        name = imagecache.get_cache_fname(server['image']['id'])
        with open(os.path.join(directory, name), 'wb'):
            pass

    def instance_path(self, host: str, server: Any) -> str:
        """The directory of a server's disks on a host."""
        return str(os.path.join(self.root.join(host), server['id']))

    def host_of(self, server: Any) -> str:
        """Where Nova says that a server is."""
        shown = self.api.get_server(server['id'])
        return str(shown['OS-EXT-SRV-ATTR:host'])

    def _copy(
        self, domain: Any, destination: str, params: Any = None, flags: int = 0
    ) -> None:
        """What libvirt would do, without the bytes."""
        host = urllib.parse.urlparse(destination).hostname
        connection = self.computes[host].driver._host.get_connection()
        connection.createXML(params['destination_xml'], 'flags')
        domain.complete_job()


def _api_paste() -> str:
    """Nova's api-paste.ini, beside its package or where its wheel puts it."""
    beside = os.path.join(os.path.dirname(nova.__file__), os.pardir)
    for prefix in (beside, sys.prefix):
        path = os.path.join(prefix, 'etc', 'nova', 'api-paste.ini')
        if os.path.exists(path):
            return os.path.abspath(path)
    raise FileNotFoundError('etc/nova/api-paste.ini of Nova is not installed')
