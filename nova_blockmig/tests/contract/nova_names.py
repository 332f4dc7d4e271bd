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

"""What of Nova we override or call beyond what Nova promises to anybody.

nova-blockmig relies on private interfaces of Nova. Each of them is
listed here, and nowhere else: ``tools/nova-contract RELEASE --names`` and a
unit test look each name up in Nova's source, and a test reads our own code
and fails if it uses a private name, overrides a method or calls a function
of Nova that is not listed. Names that we merely import are found by reading
our code, so they are not listed again.
"""

import dataclasses

DRIVER = 'nova.virt.libvirt.driver'


@dataclasses.dataclass(frozen=True)
class Name:
    """A method, function or attribute of Nova.

    :ivar module: where it is defined.
    :ivar name: within the module; ``Class.method`` for what a class has.
    :ivar parameters: as Nova writes them, annotations left out; None for
        what is no function.
    :ivar why: what we need it for.
    :ivar since: first major version of Nova that this entry is about.
    :ivar until: the last one; None while it is there.
    """

    module: str
    name: str
    parameters: str | None
    why: str
    since: int = 31
    until: int | None = None

    def holds_in(self, major: int) -> bool:
        """Whether the entry is about this major version of Nova."""
        return self.since <= major <= (self.until or major)


def _of(
    module: str, cls: str | None, names: dict[str, tuple[str | None, str]]
) -> tuple[Name, ...]:
    prefix = f'{cls}.' if cls else ''
    return tuple(
        Name(module, prefix + name, parameters, why)
        for name, (parameters, why) in names.items()
    )


_METHODS = _of(
    DRIVER,
    'LibvirtDriver',
    {
        '__init__': (
            'self, virtapi, read_only=False',
            'makes what stands behind the overrides',
        ),
        'init_host': (
            'self, host',
            'says at start what is in force, and refuses what is unsafe',
        ),
        '_parse_migration_flags': (
            'self',
            "adds the operator's flags to those that Nova computed",
        ),
        'get_available_resource': (
            'self, nodename',
            'which disks the record counts',
        ),
        'update_provider_tree': (
            'self, provider_tree, nodename, allocations=None',
            "the moment at which the tracker's sums are complete",
        ),
        'check_can_live_migrate_destination': (
            'self, context, instance, src_compute_info, dst_compute_info, '
            'block_migration=False, disk_over_commit=False',
            'checks the resources; removes the test file if it fails',
        ),
        '_create_shared_storage_test_file': (
            'self, instance',
            'its name carries the mark of the destination',
        ),
        'check_source_migrate_data_at_dest': (
            'self, ctxt, instance, migrate_data, migration, limits, allocs',
            'first look at what the source answered',
        ),
        'cleanup_live_migration_destination_check': (
            'self, context, dest_check_data',
            'the check is over, whatever came of it',
        ),
        'pre_live_migration': (
            'self, context, instance, block_device_info, network_info, '
            'disk_info, migrate_data',
            'remembers a directory that was there before',
        ),
        '_create_images_and_backing': (
            'self, context, instance, instance_dir, disk_info, '
            'fallback_from_host=None',
            'makes the disks whose content has come along',
        ),
        'rollback_live_migration_at_destination': (
            'self, context, instance, network_info, block_device_info, '
            'destroy_disks=True, migrate_data=None',
            'spares a directory that was there before',
        ),
        'post_live_migration_at_destination': (
            'self, context, instance, network_info, block_migration=False, '
            'block_device_info=None',
            'nothing is left to write of what was let in',
        ),
        'check_can_live_migrate_source': (
            'self, context, instance, dest_check_data, block_device_info=None',
            'finds out how each disk can travel',
        ),
        '_assert_dest_node_has_enough_disk': (
            'self, context, instance, available_mb, disk_over_commit, '
            'block_device_info',
            'replaced by the check for every microversion',
        ),
        'get_instance_disk_info': (
            'self, instance, block_device_info=None',
            'content travels in what it returns',
        ),
        '_live_migration_operation': (
            'self, context, instance, dest, block_migration, migrate_data, '
            'guest, device_names',
            'the last moment before libvirt migrates',
        ),
        '_hard_reboot': (
            'self, context, instance, network_info, share_info, '
            'block_device_info=None, accel_info=None',
            'does not start a guest that has left',
        ),
        '_get_instance_disk_info_from_config': (
            'self, guest_config, block_device_info',
            'reads headers instead of running qemu-img',
        ),
    },
)

_MONITOR = (
    'self, context, instance, guest, dest, post_method, recover_method, '
    'block_migration, migrate_data, {}, disk_paths'
)

OVERRIDDEN = (
    *_METHODS,
    # The driver passes its last but one argument on by its place.
    *(
        Name(
            DRIVER,
            'LibvirtDriver._live_migration_monitor',
            _MONITOR.format(parameter),
            'gives the monitor a guest that tells the bytes of its disks',
            since=since,
            until=until,
        )
        for parameter, since, until in (
            ('finish_event', 31, 31),
            ('future', 32, None),
        )
    ),
    Name(
        DRIVER,
        'LibvirtDriver.cleanup_host',
        'self, host',
        'the service ends: so does a flattening',
        since=33,
    ),
    # As long as the base class's was enough.
    Name(
        'nova.virt.driver',
        'ComputeDriver.cleanup_host',
        'self, host',
        'the service ends: so does a flattening',
        until=32,
    ),
)

USED = (
    *_of(
        DRIVER,
        'LibvirtDriver',
        {
            '_get_instance_disk_info': (
                'self, instance, block_device_info',
                'the disk info that the source annotates',
            ),
            '_block_migration_flags': (
                None,
                'whether libvirt is to copy whole disks',
            ),
            '_host': (None, 'the connection to libvirt'),
            '_uri': ('', 'the URI that nova-compute connects to'),
            '_live_migration_uri': ('dest', 'the URI of a destination'),
            'image_cache_manager': (None, 'replaced by ours'),
            '_image_api': (None, 'whether Glance still has the image'),
            'list_instance_uuids': (
                'self',
                'whether an instance that has arrived is still here',
            ),
            'image_backend': (
                None,
                "fetches kernel and ramdisk, notes a disk's format",
            ),
        },
    ),
    *_of(
        'nova.virt.driver',
        'ComputeDriver',
        {'virtapi': (None, 'the way to the compute manager')},
    ),
    *_of(
        'nova.compute.manager',
        'ComputeVirtAPI',
        {'_compute': (None, 'the compute manager itself')},
    ),
    *_of(
        'nova.compute.manager',
        'ComputeManager',
        {
            '_waiting_live_migrations': (
                None,
                'an aborted migration is taken out of it',
            ),
            'rt': (None, 'the resource tracker'),
            'network_api': (None, 'removes port bindings that were left'),
            'drop_move_claim_at_destination': (
                'self, context, instance',
                'gives back what was claimed for a refused migration',
            ),
        },
    ),
    *_of(
        'nova.network.neutron',
        'API',
        {
            'setup_networks_on_host': (
                'self, context, instance, host=None, teardown=False',
                'removes port bindings that were left',
            ),
        },
    ),
    *_of(
        'nova.compute.resource_tracker',
        'ResourceTracker',
        {
            'compute_nodes': (None, 'the sums of the record'),
            'tracked_instances': (None, 'whose flavors are in them'),
            'tracked_migrations': (None, 'whose flavors are in them'),
            'free_pci_device_claims_for_instance': (
                'self, context, instance',
                'gives back what was claimed for a refused migration',
            ),
        },
    ),
    *_of(
        'nova.virt.libvirt.host',
        'Host',
        {
            '_conn_event_handler_queue': (None, 'ends a thread of Nova'),
            'get_connection': ('self', 'versions of libvirt and QEMU'),
            'get_guest': ('self, instance', 'the domain of an instance'),
            'has_min_version': (
                'self, lv_ver=None, hv_ver=None, hv_type=None',
                'which QEMU has a defect',
            ),
        },
    ),
    *_of(
        'nova.virt.libvirt.guest',
        'Guest',
        {
            'get_config': ('self', 'the disks of the domain'),
            'get_block_device': ('self, disk', 'the disk to flatten'),
            '_domain': (None, 'migrated with flags that Nova does not set'),
            '__init__': ('self, domain', 'a guest of a wrapped domain'),
            'get_all_disks': ('self', 'the disks whose copy is watched'),
            'is_active': ('self', 'whether the guest is still here'),
            'get_job_info': ('self', 'gets the bytes of the disks as well'),
            'migrate_configure_max_downtime': (
                'self, mstime',
                'never lowers the downtime that we allow',
            ),
        },
    ),
    *_of(
        'nova.virt.libvirt.guest',
        'BlockDevice',
        {
            'rebase': (
                'self, base, shallow=False, reuse_ext=False, copy=False, '
                'relative=False, copy_dev=False',
                'starts the block-stream job',
            ),
            'get_job_info': ('self', 'how far the job is'),
            'abort_job': ('self, async_=False, pivot=False', 'ends the job'),
        },
    ),
    *_of(
        'nova.virt.libvirt.imagebackend',
        'Backend',
        {
            'by_name': (
                'self, instance, name, image_type=None, '
                'disk_info_mapping=None',
                'the image cache for kernel and ramdisk; a look at a new disk',
            ),
        },
    ),
    *_of(
        'nova.virt.libvirt.imagebackend',
        'Image',
        {
            'cache': (
                'self, fetch_func, filename, size=None, safe=False, *args, '
                '**kwargs',
                'fetches under the lock of the image cache',
            ),
        },
    ),
    *_of(
        'nova.virt.libvirt.imagecache',
        'ImageCacheManager',
        {
            'update': (
                'self, context, all_instances',
                'calls what is overridden',
            ),
            'back_ephemeral_images': (None, 'the bases in the cache'),
            'back_swap_images': (None, 'the bases in the cache'),
        },
    ),
    *_of(
        'nova.virt.imagecache',
        'ImageCacheManager',
        {
            '_list_running_instances': (
                'self, context, all_instances',
                'overridden: more bases are in use',
            ),
        },
    ),
    *_of(
        'nova.virt.libvirt.imagecache',
        None,
        {'get_cache_fname': ('image_id', "the name of an image's base")},
    ),
    *_of(
        'nova.virt.images',
        None,
        {
            'convert_image': (
                'source, dest, in_format, out_format, run_as_root=False, '
                'compress=False, src_encryption=None, dest_encryption=None',
                'makes a filled disk of its content',
            ),
            'fetch_to_raw': (
                'context, image_href, path, trusted_certs=None',
                'fetches a base anew',
            ),
            'qemu_img_info': (
                'path, format=None',
                'headers that are not sure to be read right here',
            ),
        },
    ),
    *_of(
        'nova.context',
        None,
        {
            'get_admin_context': (
                "read_deleted='no'",
                'finds the migration that a flattening belongs to',
            ),
        },
    ),
    *_of(
        'nova.manager',
        'Manager',
        {
            'additional_endpoints': (
                None,
                'answers to whoever asks beforehand',
            ),
        },
    ),
    *_of(
        'nova.config',
        None,
        {'parse_args': (None, 'nova.conf, for a command on the bus')},
    ),
    *_of(
        'nova.objects',
        None,
        {'register_all': ('', 'records, for a command on the bus')},
    ),
    *_of(
        'nova.rpc',
        None,
        {
            'get_client': (
                'target, version_cap=None, serializer=None, '
                'call_monitor_timeout=None',
                'asks nova-compute in our namespace',
            ),
            'init': ('conf', 'the message bus, for nova-blockmig-status'),
            'set_defaults': ('control_exchange', "Nova's exchange on it"),
        },
    ),
    *_of(
        'nova.virt.libvirt.migration',
        None,
        {
            'downtime_steps': ('data_gb', 'the steps of the downtime'),
            'update_downtime': (
                'guest, instance, olddowntime, downtime_steps, elapsed',
                'raises the downtime by these steps',
            ),
        },
    ),
    *_of(
        'nova.virt.libvirt.utils',
        None,
        {
            'fetch_raw_image': (
                'context, target, image_id, trusted_certs=None',
                'kernel and ramdisk as spawn fetches them',
            ),
            'get_instance_path': (
                'instance, relative=False',
                'where the mark of a half-made directory is',
            ),
            'get_instance_path_at_destination': (
                'instance, migrate_data=None',
                "the directory that must not be another instance's",
            ),
        },
    ),
    *_of(
        'nova.objects.base',
        None,
        {
            'obj_to_primitive': (
                'obj',
                "the tracker's sums as the driver is given the record's",
            ),
        },
    ),
    *_of(
        'nova.virt.driver',
        None,
        {
            'get_block_device_info': (
                'instance, block_device_mapping',
                'the volumes of an instance that is asked about',
            ),
            'block_device_info_get_mapping': (
                'block_device_info',
                'which devices are volumes',
            ),
        },
    ),
)

NAMES: tuple[Name, ...] = (*OVERRIDDEN, *USED)
