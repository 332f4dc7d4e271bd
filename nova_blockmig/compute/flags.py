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

"""block_migration_flag in Nova's hands: at start, and for one guest."""

from collections.abc import Collection
from collections.abc import Sequence
from typing import Any

from nova import exception
from oslo_log import log as logging

from nova_blockmig import conf
from nova_blockmig.core import flag_rules
from nova_blockmig.core import flags

LOG = logging.getLogger(__name__)


def known(libvirt: Any) -> dict[str, int]:
    """Bit by name of every migration flag that the binding has.

    ``VIR_MIGRATE_PARAM_*`` share the prefix; they are strings.
    """
    return {
        name: value
        for name, value in vars(libvirt).items()
        if name.startswith(flag_rules.PREFIX) and isinstance(value, int)
    }


def block_migration_flags(
    libvirt: Any,
    names: Sequence[str] | None,
    *,
    computed: int,
    libvirt_version: int,
    qemu_version: int,
    config: Any = None,
) -> int:
    """The flags of every block migration from this host; logs them.

    :param libvirt: the module that Nova's driver uses.
    :param names: the operator's list; None if the option is not set.
    :param computed: the flags that Nova computed for block migrations.
    :param libvirt_version: as ``getLibVersion()`` gives it.
    :param qemu_version: as ``getVersion()`` gives it.
    :param config: the ConfigOpts that the list came from, to name the place
        in an error.
    :raises nova.exception.InvalidConfiguration: the list cannot be used;
        raised from ``init_host``, it stops nova-compute.
    """
    bits = known(libvirt)
    versions = flags.Versions(libvirt_version, qemu_version)
    try:
        used = flags.effective(names, bits, computed, versions)
    except flags.InvalidFlags as e:
        place = conf.place(config, 'block_migration_flag') if config else ''
        named = flags.InvalidFlags(place or e.option, e.value, e.problems)
        raise exception.InvalidConfiguration(str(named)) from e
    LOG.info('Block migrations use %s', ', '.join(flags.describe(used, bits)))
    for caution in flags.cautions(used, bits):
        LOG.warning(caution)
    return used


class _NothingToCopy:
    """A guest that libvirt is not asked to copy any disk of."""

    def __init__(self, guest: Any, unwanted: int) -> None:
        self._guest = guest
        self._unwanted = unwanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guest, name)

    def migrate(self, *args: Any, flags: int = 0, **kwargs: Any) -> None:
        self._guest.migrate(*args, flags=flags & ~self._unwanted, **kwargs)


def guest_to_migrate(
    libvirt: Any, guest: Any, device_names: Collection[str]
) -> Any:
    """The guest to hand to Nova's ``_live_migration_operation``.

    The guest itself, if it has disks to copy. If it has none, because all
    its disks are volumes, Nova takes NON_SHARED_INC from the flags but no
    other flag of a copy, and libvirt would copy the volumes onto themselves.

    :param device_names: what Nova found to copy: ``vda`` and so on.
    """
    if device_names:
        return guest
    return _NothingToCopy(guest, flags.copying(known(libvirt)))
