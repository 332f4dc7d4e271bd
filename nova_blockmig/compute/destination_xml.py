# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The domain that libvirt makes on the destination of a block migration.

A disk on the destination is based on what its own header says. libvirt looks
there, unless the XML of the domain names the files below a disk. Nova's XML
comes from the source's libvirtd, which leaves out the files that it has found
by itself, but no longer does so once it was restarted: it has then read them
from its own state (virDomainDiskBackingStoreFormat, storage_source_conf).
The destination's QEMU would open bases of the source, which it may not have,
or read another content below a disk that stands alone.
"""

from collections.abc import Collection
from collections.abc import Mapping

from lxml import etree

# Of migrateToURI3: VIR_MIGRATE_PARAM_DEST_XML, VIR_MIGRATE_PARAM_PERSIST_XML.
_WITH_XML = ('destination_xml', 'persistent_xml')


def without_bases(
    parameters: Mapping[str, object], copied: Collection[str]
) -> dict[str, object]:
    """The parameters of a migration, in which no copied disk has a base.

    :param parameters: of libvirt's ``migrateToURI3``.
    :param copied: the targets of the disks that are copied, ``vda`` and so
        on. Others, such as volumes, stay as they are.
    """
    changed = dict(parameters)
    for name in _WITH_XML:
        text = changed.get(name)
        if isinstance(text, str):
            changed[name] = _without_bases(text, copied)
    return changed


def _without_bases(text: str, copied: Collection[str]) -> str:
    document = etree.fromstring(text)
    for disk in document.findall('./devices/disk'):
        target = disk.find('target')
        if target is None or target.get('dev') not in copied:
            continue
        for base in disk.findall('backingStore'):
            disk.remove(base)
    return str(etree.tostring(document, encoding='unicode'))
