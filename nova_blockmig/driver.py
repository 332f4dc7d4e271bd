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

"""The compute driver: overrides that delegate to ``nova_blockmig.compute``."""

from nova.virt.libvirt import driver as libvirt_driver
from oslo_serialization import jsonutils

from nova_blockmig import conf
from nova_blockmig.compute import arrival
from nova_blockmig.compute import bases_in_use
from nova_blockmig.compute import claims
from nova_blockmig.compute import compute_node
from nova_blockmig.compute import departure
from nova_blockmig.compute import destination
from nova_blockmig.compute import directory
from nova_blockmig.compute import disk_info
from nova_blockmig.compute import ending
from nova_blockmig.compute import endpoint
from nova_blockmig.compute import flags
from nova_blockmig.compute import flatten
from nova_blockmig.compute import image_cache
from nova_blockmig.compute import known_versions
from nova_blockmig.compute import libvirt_types
from nova_blockmig.compute import nova
from nova_blockmig.compute import nova_types
from nova_blockmig.compute import port_bindings
from nova_blockmig.compute import refusals
from nova_blockmig.compute import resource_check
from nova_blockmig.compute import source
from nova_blockmig.compute import startup

CONF = libvirt_driver.CONF


class LibvirtDriver(libvirt_driver.LibvirtDriver):
    """Nova's libvirt driver with block live migration that loses nothing.

    Each override, wrapped as Nova's method, calls that and ``compute``.
    """

    _block_migration_flags: int

    def __init__(
        self, virtapi: nova_types.VirtApi, read_only: bool = False
    ) -> None:
        super().__init__(virtapi, read_only)
        conf.register_opts(CONF)
        policy = conf.policy(CONF)
        self.image_cache_manager = bases_in_use.ImageCacheManager()
        self._check = resource_check.ResourceCheck(self, policy)
        self._source = source.Source(self, policy)
        self._destination = destination.Destination(self, policy)

    def init_host(self, host: str) -> None:
        with startup.ending_on_error(self._host):
            super().init_host(host)
        answering = endpoint.Endpoint(self, self._check, self._source)
        endpoint.register(self.virtapi, answering)
        image_cache.keep_digests()
        startup.log(conf.describe(CONF))

    def cleanup_host(self, host: str) -> None:
        self._source.stop()
        super().cleanup_host(host)

    def _parse_migration_flags(self) -> None:
        super()._parse_migration_flags()
        connection = self._host.get_connection()
        version = connection.getLibVersion()
        qemu_version = connection.getVersion()
        self._block_migration_flags = flags.block_migration_flags(
            libvirt_driver.libvirt,
            CONF.blockmig.block_migration_flag,
            computed=self._block_migration_flags,
            libvirt_version=version,
            qemu_version=qemu_version,
            config=CONF,
        )
        flags.check_zero_detection(
            CONF.blockmig.migrate_disks_detect_zeroes, version, CONF
        )
        known_versions.check_at_start(
            known_versions.versions(version, qemu_version),
            self._block_migration_flags,
        )

    def get_available_resource(self, nodename: str) -> object:
        with self._check.tracker.reporting():
            return super().get_available_resource(nodename)

    def update_provider_tree(
        self,
        provider_tree: nova_types.ProviderTree,
        nodename: str,
        allocations: object = None,
    ) -> None:
        super().update_provider_tree(provider_tree, nodename, allocations)
        tracker = nova.resource_tracker(self.virtapi)
        inventory = provider_tree.data(nodename).inventory
        self._check.tracker.summed_up(tracker, nodename, inventory)

    # On the destination, in the order of a migration.

    def check_can_live_migrate_destination(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        src_compute_info: nova_types.Row,
        dst_compute_info: nova_types.Row,
        block_migration: bool | None = False,
        disk_over_commit: bool | None = False,
    ) -> nova_types.MigrateData:
        with (
            refusals.of_check(instance),
            self._destination.removing_test_file_on_error(instance),
        ):
            if block_migration:
                self._destination.read_ahead(instance)
            data: nova_types.MigrateData = (
                super().check_can_live_migrate_destination(
                    context,
                    instance,
                    src_compute_info,
                    compute_node.without_null(dst_compute_info),
                    block_migration,
                    disk_over_commit,
                )
            )
            self._check.at_destination(
                context,
                instance,
                dst_compute_info,
                data,
                block_migration,
                disk_over_commit,
            )
        return data

    def _create_shared_storage_test_file(
        self, instance: nova_types.Instance
    ) -> str:
        filename = super()._create_shared_storage_test_file(instance)
        return self._destination.mark_test_file(instance, filename)

    def check_source_migrate_data_at_dest(
        self,
        ctxt: nova_types.Context,
        instance: nova_types.Instance,
        migrate_data: nova_types.MigrateData,
        migration: nova_types.Migration,
        limits: object,
        allocs: object,
    ) -> nova_types.MigrateData:
        with (
            refusals.of_check(instance),
            claims.dropped_on_error(
                self.virtapi, ctxt, instance, migrate_data
            ),
        ):
            self._destination.check_source(
                ctxt, instance, migrate_data, migration
            )
            self._check.decide(instance, migrate_data)
            data: nova_types.MigrateData = (
                super().check_source_migrate_data_at_dest(
                    ctxt, instance, migrate_data, migration, limits, allocs
                )
            )
            self._check.source_agreed(instance, data)
        port_bindings.removed(self.virtapi, ctxt, instance, migration)
        return data

    def cleanup_live_migration_destination_check(
        self,
        context: nova_types.Context,
        dest_check_data: nova_types.MigrateData,
    ) -> None:
        self._check.check_ended(dest_check_data)
        super().cleanup_live_migration_destination_check(
            context, dest_check_data
        )

    def pre_live_migration(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo,
        network_info: object,
        disk_info: str,
        migrate_data: nova_types.MigrateData,
    ) -> nova_types.MigrateData:
        self._destination.expect(instance, migrate_data, disk_info)
        data: nova_types.MigrateData = super().pre_live_migration(
            context,
            instance,
            block_device_info,
            network_info,
            disk_info,
            migrate_data,
        )
        return data

    def _create_images_and_backing(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        instance_dir: str,
        disk_info: list[nova_types.DiskInfo] | None,
        fallback_from_host: str | None = None,
    ) -> None:
        prepared = self._destination.prepare(
            instance, instance_dir, disk_info, fallback_from_host
        )
        if fallback_from_host:
            image_cache.fetch_kernels(self, context, instance, instance_dir)
        super()._create_images_and_backing(
            context,
            instance,
            instance_dir,
            prepared.disk_info,
            fallback_from_host,
        )
        self._destination.verify(instance, instance_dir, prepared)

    def rollback_live_migration_at_destination(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        network_info: object,
        block_device_info: nova_types.BlockDeviceInfo,
        destroy_disks: bool = True,
        migrate_data: nova_types.MigrateData | None = None,
    ) -> None:
        if directory.rolls_back_another(instance, migrate_data):
            return
        if self._destination.must_keep_directory(instance):
            destroy_disks = False
            migrate_data = directory.spared(migrate_data)
        super().rollback_live_migration_at_destination(
            context,
            instance,
            network_info,
            block_device_info,
            destroy_disks,
            migrate_data,
        )
        self._check.rolled_back(instance)

    def post_live_migration_at_destination(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        network_info: object,
        block_migration: bool | None = False,
        block_device_info: nova_types.BlockDeviceInfo = None,
    ) -> None:
        self._check.arrived(instance)
        super().post_live_migration_at_destination(
            context, instance, network_info, block_migration, block_device_info
        )
        arrival.record(context, instance, self._host)
        self._destination.arrived(instance, block_device_info, block_migration)

    # On the source.

    def check_can_live_migrate_source(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        dest_check_data: nova_types.MigrateData,
        block_device_info: nova_types.BlockDeviceInfo = None,
    ) -> nova_types.MigrateData:
        with refusals.of_check(instance):
            data: nova_types.MigrateData = (
                super().check_can_live_migrate_source(
                    context, instance, dest_check_data, block_device_info
                )
            )
            if data.block_migration:
                checked = self._source.check(
                    context, instance, data, block_device_info
                )
                self._check.at_source(
                    instance,
                    data,
                    resource_check.disk_needs(checked.inspection.disk_plans),
                    checked.destination,
                )
                data.filename = checked.filename
        return data

    def _assert_dest_node_has_enough_disk(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        available_mb: int,
        disk_over_commit: bool,
        block_device_info: nova_types.BlockDeviceInfo,
    ) -> None:
        """Left to at_source: it knows the disk plans, at any microversion."""

    def get_instance_disk_info(
        self,
        instance: nova_types.Instance,
        block_device_info: nova_types.BlockDeviceInfo = None,
    ) -> str:
        infos = self._source.disk_info(
            instance,
            block_device_info,
            lambda: flatten.aborted(self.virtapi, instance.uuid),
        )
        return str(jsonutils.dumps(infos))

    def _live_migration_operation(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        dest: str,
        block_migration: bool,
        migrate_data: nova_types.MigrateData,
        guest: libvirt_types.Guest,
        device_names: list[str],
    ) -> None:
        args = (context, instance, dest, block_migration, migrate_data)
        if not migrate_data.block_migration:
            super()._live_migration_operation(*args, guest, device_names)
            return
        copy = self._source.records.copy(instance)
        with (
            ending.reporting_copy(context, instance, copy),
            departure.marked(self._host, instance, dest),
        ):
            guest = flags.guest_to_migrate(
                libvirt_driver.libvirt,
                guest,
                device_names,
                used=self._block_migration_flags,
                detect_zeroes=CONF.blockmig.migrate_disks_detect_zeroes,
            )
            super()._live_migration_operation(*args, guest, device_names)

    def _hard_reboot(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        *args: object,
        **kwargs: object,
    ) -> None:
        departure.assert_not_left(self._host, instance)
        super()._hard_reboot(context, instance, *args, **kwargs)

    def _live_migration_monitor(
        self,
        context: nova_types.Context,
        instance: nova_types.Instance,
        guest: libvirt_types.Guest,
        dest: str,
        post_method: nova_types.PostMethod,
        recover_method: nova_types.RecoverMethod,
        block_migration: bool,
        migrate_data: nova_types.MigrateData,
        future: object,
        disk_paths: list[str],
    ) -> None:
        monitor = super()._live_migration_monitor
        if migrate_data.block_migration:
            monitor = ending.Monitor(
                monitor,
                self._host,
                self._source.records.watching,
                self._source.records.copy(instance),
            )
        monitor(
            context,
            instance,
            guest,
            dest,
            post_method,
            recover_method,
            block_migration,
            migrate_data,
            future,
            disk_paths,
        )

    def _get_instance_disk_info_from_config(
        self,
        guest_config: libvirt_types.GuestConfig,
        block_device_info: nova_types.BlockDeviceInfo,
    ) -> list[nova_types.DiskInfo]:
        infos = disk_info.instance_disk_info(
            guest_config,
            block_device_info,
            super()._get_instance_disk_info_from_config,
        )
        self._check.tracker.disks_seen(guest_config.uuid)
        return infos
