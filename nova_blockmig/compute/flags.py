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
import types
from typing import Any

from nova import exception
from nova.virt.libvirt import guest as libvirt_guest
from oslo_log import log as logging

from nova_blockmig import conf
from nova_blockmig.compute import destination_xml
from nova_blockmig.compute import libvirt_types
from nova_blockmig.core import flag_rules
from nova_blockmig.core import flags

LOG = logging.getLogger(__name__)

# VIR_MIGRATE_PARAM_MIGRATE_DISKS_DETECT_ZEROES, which a binding made with an
# older libvirt has no name for although the daemon takes it.
_DETECT_ZEROES = 'migrate_disks_detect_zeroes'
_DETECT_ZEROES_SINCE = 10009000


def known(libvirt: types.ModuleType) -> dict[str, int]:
    """Bit by name of every migration flag that the binding has.

    ``VIR_MIGRATE_PARAM_*`` share the prefix; they are strings.
    """
    return {
        name: value
        for name, value in vars(libvirt).items()
        if name.startswith(flag_rules.PREFIX) and isinstance(value, int)
    }


def block_migration_flags(
    libvirt: types.ModuleType,
    names: Sequence[str] | None,
    *,
    computed: int,
    libvirt_version: int,
    qemu_version: int,
    config: conf.Options | None = None,
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
        # Said once: the first error has another place in it.
        raise exception.InvalidConfiguration(str(named)) from None
    LOG.info('Block migrations use %s', ', '.join(flags.describe(used, bits)))
    for caution in flags.cautions(used, bits):
        LOG.warning(caution)
    return used


def check_zero_detection(
    wanted: bool, libvirt_version: int, config: conf.Options | None = None
) -> None:
    """Make sure that libvirt can detect zeroes, if the operator wants it.

    :param libvirt_version: as ``getLibVersion()`` gives it.
    :raises nova.exception.InvalidConfiguration: it cannot; raised from
        ``init_host``, it stops nova-compute.
    """
    if wanted and libvirt_version < _DETECT_ZEROES_SINCE:
        name = _DETECT_ZEROES  # the option is named after the parameter
        place = conf.place(config, name) if config else f'[blockmig] {name}'
        error = flags.TooOld(place, _DETECT_ZEROES_SINCE, libvirt_version)
        raise exception.InvalidConfiguration(str(error))


class _Domain:
    """A domain that is migrated a little differently than Nova asks.

    Nova's Guest makes the parameters of the call itself, so this stands
    between it and libvirt.

    :param unwanted: flags to take away.
    :param parameters: typed parameters to add.
    :param copied: the disks that are copied, see `destination_xml`.
    """

    def __init__(
        self,
        domain: libvirt_types.Domain,
        unwanted: int,
        parameters: dict[str, object],
        copied: Collection[str],
    ) -> None:
        self._domain = domain
        self._unwanted = unwanted
        self._parameters = parameters
        self._copied = copied

    def __getattr__(self, name: str) -> Any:
        return getattr(self._domain, name)

    def migrateToURI3(  # noqa: N802
        self, destination: str, params: dict[str, object], flags: int
    ) -> object:
        return self._domain.migrateToURI3(
            destination,
            params={
                **destination_xml.without_bases(params, self._copied),
                **self._parameters,
            },
            flags=flags & ~self._unwanted,
        )


def guest_to_migrate(
    libvirt: types.ModuleType,
    guest: libvirt_guest.Guest,
    device_names: Collection[str],
    *,
    used: int,
    detect_zeroes: bool = False,
) -> libvirt_guest.Guest:
    """The guest to hand to Nova's ``_live_migration_operation``.

    If a guest has no disks to copy, because all of them are volumes, Nova
    takes NON_SHARED_INC from the flags but no other flag of a copy, and
    libvirt would copy the volumes onto themselves. That is prevented here.
    And no disk that is copied gets a base of the source.

    :param device_names: what Nova found to copy: ``vda`` and so on.
    :param used: the flags of block migrations from this host.
    :param detect_zeroes: do not send blocks of zeroes of these disks.
    """
    unwanted = 0 if device_names else used & flags.copying(known(libvirt))
    parameters: dict[str, object] = {}
    if device_names and detect_zeroes:
        parameters[_DETECT_ZEROES] = list(device_names)
    if not unwanted and not device_names:
        return guest
    return libvirt_guest.Guest(
        _Domain(guest._domain, unwanted, parameters, device_names)
    )
