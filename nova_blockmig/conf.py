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

GROUP = cfg.OptGroup(
    'blockmig',
    title='Block live migration',
    help="""
What block live migrations to and from this compute host may do.

These options are read when
``compute_driver = nova_blockmig.LibvirtDriver`` is set in ``[DEFAULT]``; the
in-tree libvirt driver ignores them. Both ends of a migration read their own
file, so keep it the same on all compute hosts.
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
libvirt's flags for a block migration, by their names, separated by commas.

Leave it unset unless you need a particular flag and know what it does to a
guest: Nova then computes the right flags from its own ``[libvirt]
live_migration_*`` options. If it is set, it decides whether guests keep
running while their memory is copied (``VIR_MIGRATE_LIVE``) and which copy of
the disks is made (``VIR_MIGRATE_NON_SHARED_INC`` or
``VIR_MIGRATE_NON_SHARED_DISK``); all else comes from Nova's options as
before. ``VIR_MIGRATE_PEER2PEER`` and ``VIR_MIGRATE_UNDEFINE_SOURCE`` must be
in the list. nova-compute checks it when it starts, and does not start with a
list that could lose data.
""",
    ),
    cfg.BoolOpt(
        'migrate_disks_detect_zeroes',
        default=False,
        help="""
Do not send the zeroes that a guest wrote, so that disks become thin again.

Blocks of an overlay that hold nothing but zeroes are sent in full by default
and occupy the destination as they did the source. With this option libvirt
looks for them while it copies, which costs CPU time.

Enable it where guests overwrite deleted data with zeroes, or for
``VIR_MIGRATE_NON_SHARED_DISK`` in ``block_migration_flag``. It needs libvirt
10.9.0 on the source; nova-compute does not start with it on an older one.
""",
    ),
    cfg.IntOpt(
        'max_inline_bytes',
        default=model.Policy.max_inline_bytes,
        min=0,
        help="""
The most bytes, compressed, that one migration may carry over the message bus
for all disks of an instance together.

What a compute host made itself (the file system of an ephemeral disk, the
signature of a swap disk, a config drive) is not in Glance, so its content
travels inside a message. Freshly made file systems pack well: 63 KB for
20 GiB of ext4, 1.8 MB for 1000 GiB. A disk whose content does not fit is
flattened on the source instead, which is safe but reads the whole disk.

Raise it for larger ephemeral disks if your message bus takes messages of
that size. Set it to 0 to carry nothing and flatten always; a config drive
cannot be flattened, so an instance that has one is then refused.
""",
    ),
    cfg.BoolOpt(
        'verify_base_images',
        default=model.Policy.verify_base_images,
        help="""
Compare the content of each image base on the destination with the source's
before anything is copied.

A disk is copied as the difference to its base, so a base that differs on the
destination corrupts the disk. A base is read once on each host, for the first
migration that needs it, and again only if it was made or fetched anew; what
was found is kept in ``blockmig-digests.json`` in ``[DEFAULT] state_path``.

Disable it only if both hosts are known to hold the same images and reading a
base of many GiB for the first migration of each image costs too much.
""",
    ),
    cfg.StrOpt(
        'disk_over_commit',
        default=model.Policy.disk_over_commit.value,
        choices=[
            (
                model.OverCommit.VIRTUAL.value,
                'Room for every disk as if the guest had filled it.',
            ),
            (
                model.OverCommit.ACTUAL.value,
                'Room for what the disks occupy on the source today. Disks '
                'may grow after the move, so use it only where over-commit '
                'of disk is meant and free space is watched.',
            ),
            (
                model.OverCommit.SKIP.value,
                'No check of disk space, as the in-tree driver does.',
            ),
        ],
        help="""
What the check of disk space on the destination asks for when the request
does not say.

Requests up to API microversion 2.24 say it with ``disk_over_commit``. Later
ones cannot, and the in-tree driver then checks nothing.
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


def place(conf: cfg.ConfigOpts, name: str) -> str:
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
