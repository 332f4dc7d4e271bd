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

"""The options of ``[blockmig]``, and the policy made of them."""

from collections.abc import Iterable
import contextlib

from oslo_config import cfg

from nova_blockmig.core import model

Options = cfg.ConfigOpts
"""A configuration, for those who take one."""

GROUP = cfg.OptGroup(
    'blockmig',
    title='Block live migration',
    help="""
Options for block live migration to and from this compute host.

These options take effect when
``compute_driver = nova_blockmig.LibvirtDriver`` is set in ``[DEFAULT]``; the
in-tree libvirt driver ignores them. Each end of a migration reads its own
configuration file, so use the same values on all compute hosts.
""",
)

_OPTIONS = [
    cfg.ListOpt(
        'block_migration_flag',
        default=None,
        deprecated_opts=[
            cfg.DeprecatedOpt('block_migration_flag', group='libvirt'),
            cfg.DeprecatedOpt('block_migration_flag', group='DEFAULT'),
        ],
        help="""
Comma-separated names of the libvirt flags for block migration.

Leave it unset unless you need a particular flag and know what it does to a
guest: Nova then computes the flags from its own ``[libvirt]
live_migration_*`` options. If it is set, the list decides whether guests keep
running while their memory is copied (``VIR_MIGRATE_LIVE``) and how the disks
are copied (``VIR_MIGRATE_NON_SHARED_INC`` or ``VIR_MIGRATE_NON_SHARED_DISK``).
Everything else still comes from Nova's options. nova-compute checks the list
when it starts, and does not start with a list that could lose data.

Possible values:

* Unset (default): Nova computes the flags.
* A list of ``VIR_MIGRATE_*`` names that includes ``VIR_MIGRATE_PEER2PEER``
  and ``VIR_MIGRATE_UNDEFINE_SOURCE``.

Related options:

* ``[libvirt] live_migration_permit_post_copy``
* ``[libvirt] live_migration_permit_auto_converge``
* ``[libvirt] live_migration_with_native_tls``
""",
    ),
    cfg.BoolOpt(
        'migrate_disks_detect_zeroes',
        default=False,
        help="""
Do not send zeroes that a guest has written.

By default, blocks of an overlay that contain only zeroes are sent in full and
use as much space on the destination as on the source. With this option,
libvirt detects such blocks during the copy, which uses CPU time.

Enable it if guests overwrite deleted data with zeroes, or if
``VIR_MIGRATE_NON_SHARED_DISK`` is in ``block_migration_flag``. It requires
libvirt 10.9.0 or later on the source; otherwise nova-compute does not start.

Possible values:

* False (default): Send all allocated blocks.
* True: Detect blocks of zeroes and do not send them.

Related options:

* ``[blockmig] block_migration_flag``
""",
    ),
    cfg.IntOpt(
        'max_inline_bytes',
        default=model.Policy.max_inline_bytes,
        min=0,
        help="""
Maximum total size in bytes, after compression, of the disk content that one
migration sends over the message bus.

Content that a compute host generated itself (the file system of an ephemeral
disk, the signature of a swap disk, a config drive) is not available in
Glance, so it is sent inline, in an RPC message. New file systems compress
well: 63 KB for 20 GiB of ext4, 1.8 MB for 1000 GiB. A disk whose content
exceeds the limit is flattened on the source instead, which is safe but reads
the whole disk.

Increase it for larger ephemeral disks if your message bus accepts messages of
that size. The lower value of the two hosts of a migration applies.

Possible values:

* 0: Send nothing inline and always flatten. A config drive cannot be
  flattened, so the migration of an instance that has one is refused.
* A positive integer: The limit in bytes.
""",
    ),
    cfg.BoolOpt(
        'verify_base_images',
        default=model.Policy.verify_base_images,
        help="""
Compare the content of each cached base image on the destination with the
source before anything is copied.

Only the difference between a disk and its base image is copied, so a base
image that differs on the destination corrupts the disk. If the base images
differ, the disk is flattened on the source, or the migration is refused.

Disable it only if all hosts are known to have the same images and reading a
large base image once takes too long.

Possible values:

* True (default): Compare the base images.
* False: Assume that they are the same, as the in-tree driver does.

Related options:

* ``[DEFAULT] force_raw_images``: It must be the same on both hosts.
""",
    ),
    cfg.StrOpt(
        'disk_over_commit',
        default=model.Policy.disk_over_commit.value,
        choices=[
            (
                model.OverCommit.VIRTUAL.value,
                'Require the full virtual size of every local disk.',
            ),
            (
                model.OverCommit.ACTUAL.value,
                'Require the space that the disks currently occupy on the '
                'source. Disks can grow after the migration, so use it only '
                'if disk over-commit is intended and free space is '
                'monitored.',
            ),
            (
                model.OverCommit.SKIP.value,
                'Do not check disk space, as the in-tree driver does.',
            ),
        ],
        help="""
How much free disk space to require on the destination when the request does
not set ``disk_over_commit``.

API requests can set ``disk_over_commit`` only up to microversion 2.24. For
later microversions, the in-tree driver does not check disk space at all.

Related options:

* ``[DEFAULT] disk_allocation_ratio``
* ``[DEFAULT] reserved_host_disk_mb``
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options; more than once does no harm."""
    conf.register_group(GROUP)
    conf.register_opts(_OPTIONS, group=GROUP)


def list_opts() -> Iterable[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """The options, for the sample generator and the documentation."""
    return [(GROUP, _OPTIONS)]


def policy(conf: cfg.ConfigOpts) -> model.Policy:
    """The frozen values that everything below the driver is given."""
    group = conf.blockmig
    return model.Policy(
        max_inline_bytes=group.max_inline_bytes,
        verify_base_images=group.verify_base_images,
        disk_over_commit=model.OverCommit(group.disk_over_commit),
    )


def describe(conf: cfg.ConfigOpts) -> str:
    """The options in force, in one line for the log."""
    return ', '.join(
        f'{option.name}={conf.blockmig[option.name]}' for option in _OPTIONS
    )


def place(conf: Options, name: str) -> str:
    """Where the operator set an option: its name there, and the file.

    oslo.config tells the file, but not under which of an option's names it
    was found there. Without a file it is the name in ``[blockmig]``.
    """
    option = next(option for option in _OPTIONS if option.name == name)
    names = [(GROUP.name, name)]
    names += [(o.group or '', o.name or '') for o in option.deprecated_opts]
    location = conf.get_location(name, GROUP.name)
    sections: dict[str, dict[str, list[str]]] = {}
    file = ''
    if location and location.detail:
        with contextlib.suppress(OSError, cfg.ParseError):
            cfg.ConfigParser(location.detail, sections).parse()
            file = f' in {location.detail}'
    found = (n for n in names if n[1] in sections.get(n[0], {}))
    group, key = next(found, names[0])
    return f'[{group}] {key}{file}'
