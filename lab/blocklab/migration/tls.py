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

"""Certificates for the compute hosts, and libvirtd's TLS port, for a while.

The places are libvirt's own, https://libvirt.org/kbase/tlscerts.html, and
QEMU's in qemu.conf.
"""

from collections.abc import Iterator
import contextlib
from pathlib import Path
import shutil

from blocklab.lab import Lab
from blocklab.machine import subprocesses
from blocklab.machine.host import Host
from blocklab.machine.layout import HostLayout

_PKI = '/etc/pki'
# As the host sees it; beneath what is its own.
_DIRECTORY = '/var/lib/nova/pki'

# A host is server and client; what libvirt and QEMU call the same files.
_LINKS = {
    'CA/cacert.pem': 'ca.pem',
    'libvirt/servercert.pem': 'host.pem',
    'libvirt/private/serverkey.pem': 'host.key',
    'libvirt/clientcert.pem': 'host.pem',
    'libvirt/private/clientkey.pem': 'host.key',
    'qemu/ca-cert.pem': 'ca.pem',
    'qemu/server-cert.pem': 'host.pem',
    'qemu/server-key.pem': 'host.key',
    'qemu/client-cert.pem': 'host.pem',
    'qemu/client-key.pem': 'host.key',
}


@contextlib.contextmanager
def certificates(lab: Lab) -> Iterator[None]:
    """Every compute host has a certificate that the others believe.

    :raises LabError: libvirtd does not come up with it.
    """
    computes = [lab.host(host.name) for host in lab.layout.computes]
    # Nova does not schedule to a host whose libvirtd was away until it has
    # noticed that it is back; one that starts does not have to.
    services = [
        f'{service}@{host.name}'
        for service in ('libvirtd', 'nova-compute')
        for host in computes
    ]
    with contextlib.ExitStack() as stack:
        stack.callback(lab.restart, services)
        authority = _directory(stack, lab.host(lab.layout.controller.name))
        _openssl(
            authority, 'req', '-x509', '-newkey', 'rsa:2048', '-noenc',
            '-subj', '/CN=lab', '-days', '2',
            '-keyout', 'ca.key', '-out', 'ca.pem',
        )  # fmt: skip
        for host in computes:
            mine = _directory(stack, host)
            _certificate(authority, host.layout, mine)
            stack.enter_context(_installed(host))
            stack.enter_context(_listening(host.layout))
        lab.restart(services)
        yield


def _directory(stack: contextlib.ExitStack, host: Host) -> Path:
    path = host.layout.directory / 'nova' / 'pki'
    path.mkdir(mode=0o700)
    stack.callback(shutil.rmtree, path)
    return path


def _certificate(authority: Path, host: HostLayout, directory: Path) -> None:
    (directory / 'extensions').write_text(
        f'subjectAltName = IP:{host.address}, DNS:{host.name}\n'
        'extendedKeyUsage = serverAuth, clientAuth\n'
    )
    _openssl(
        directory, 'req', '-newkey', 'rsa:2048', '-noenc',
        '-subj', f'/CN={host.name}', '-keyout', 'host.key', '-out', 'host.csr',
    )  # fmt: skip
    _openssl(
        directory, 'x509', '-req', '-in', 'host.csr', '-days', '2',
        '-CA', f'{authority}/ca.pem', '-CAkey', f'{authority}/ca.key',
        '-CAcreateserial', '-extfile', 'extensions', '-out', 'host.pem',
    )  # fmt: skip
    shutil.copy2(authority / 'ca.pem', directory)
    for link, name in _LINKS.items():
        path = directory / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(f'{_DIRECTORY}/{name}')


def _openssl(directory: Path, *words: str) -> None:
    subprocesses.run(
        f'openssl {words[0]}', ['env', '-C', directory, 'openssl', *words]
    )


@contextlib.contextmanager
def _installed(host: Host) -> Iterator[None]:
    """/etc/pki is the machine's: it is hidden on this host only."""
    Path(_PKI).mkdir(exist_ok=True)
    host.run(['mount', '--bind', _DIRECTORY, _PKI])
    try:
        yield
    finally:
        host.run(['umount', _PKI])


@contextlib.contextmanager
def _listening(host: HostLayout) -> Iterator[None]:
    config = host.directory / 'libvirt' / 'etc' / 'libvirtd.conf'
    before = config.read_text()
    config.write_text(before.replace('listen_tls = 0', 'listen_tls = 1'))
    try:
        yield
    finally:
        config.write_text(before)
