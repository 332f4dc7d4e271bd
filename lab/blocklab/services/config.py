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

"""The configuration files of the lab, rendered from lab/templates."""

from collections.abc import Mapping
from pathlib import Path
import shlex
from typing import Any
import uuid

import jinja2

from blocklab.machine import debian_nova
from blocklab.machine import roots
from blocklab.machine.layout import LAB_DIR
from blocklab.machine.layout import HostLayout
from blocklab.machine.layout import Layout
from blocklab.machine.releases import Release
from blocklab.services import compute_host
from blocklab.services.control_plane import APIS
from blocklab.services.control_plane import NFS_CLIENT
from blocklab.services.service import Service
from blocklab.services.settings import DRIVERS
from blocklab.services.settings import Settings

TEMPLATES = LAB_DIR / 'templates'

_PLAIN = (
    'keystone.conf',
    'glance-api.conf',
    'placement.conf',
    'neutron.conf',
    'ml2_conf.ini',
    'my.cnf',
    'rabbitmq.conf',
    'nova-cell0.conf',
    'cinder.conf',
)


def render(template: str, **values: Any) -> str:
    """The text of a template; a value that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML is made here
    )
    return environment.get_template(template + '.j2').render(**values)


def files(
    layout: Layout, release: Release, settings: Settings
) -> dict[Path, str]:
    """Every configuration file but the supervisor's: path -> text."""
    values = {
        'controller': layout.controller.address,
        'state': layout.state,
        'venv': release.venv,
        'passwords': settings.passwords,
        'nfs_client': NFS_CLIENT,
    }
    rendered = _controller(layout, release, values)
    for host in layout.computes:
        system = settings.choices.systems.get(host.name)
        venv = compute_host.environment(host, release, settings.choices)
        theirs = {**values, 'venv': venv}
        rendered.update(_compute(layout, host, system, theirs))
    for host in layout.hosts:
        rendered[host.directory / 'hosts'] = render(
            'hosts', hosts=layout.hosts
        )
        sections = render(
            'nova-host.conf', sections=_host_sections(host, settings)
        )
        if roots.has_nova(settings.choices.systems.get(host.name)):
            # Debian's nova.conf stays as it is; this is read after it.
            rendered[host.debian_etc / debian_nova.COMPUTE_CONF] += sections
        else:
            rendered[layout.etc / host.name / 'nova-host.conf'] = sections
    return rendered


def _controller(
    layout: Layout, release: Release, values: Mapping[str, Any]
) -> dict[Path, str]:
    etc = layout.etc / layout.controller.name
    rendered = {etc / name: render(name, **values) for name in _PLAIN}
    rendered[etc / 'enabled_plugins'] = '[].\n'
    rendered[etc / 'nova.conf'] = render(
        'nova-controller.conf',
        address=layout.controller.address,
        nova_state=layout.controller.directory / 'nova',
        **values,
    )
    for name, (port, module) in APIS.items():
        patched = name == 'nova-api' and release.concurrency == 'eventlet'
        rendered[etc / f'uwsgi-{name}.ini'] = render(
            'uwsgi.ini',
            controller=layout.controller.address,
            port=port,
            module=module,
            # Green threads and uwsgi's threads do not go together.
            processes=2 if patched else 1,
            threads=1 if patched else 4,
        )
    return rendered


def _compute(
    layout: Layout,
    host: HostLayout,
    system: str | None,
    values: Mapping[str, Any],
) -> dict[Path, str]:
    libvirt = host.directory / 'libvirt' / 'etc'
    debian = roots.has_nova(system)
    nova_conf = (
        host.debian_etc / debian_nova.COMPUTE_CONF
        if debian
        else layout.etc / host.name / 'nova.conf'
    )
    return {
        libvirt / 'qemu.conf': render('qemu.conf', debian=debian),
        libvirt / 'libvirtd.conf': render(
            'libvirtd.conf',
            address=host.address,
            # libvirt refuses to migrate between hosts of the same UUID.
            uuid=uuid.uuid5(uuid.NAMESPACE_DNS, host.namespace),
            debian=debian,
        ),
        nova_conf: render(
            'nova-compute.conf',
            address=host.address,
            nova_state='/var/lib/nova',
            nova_conf=nova_conf,
            debian=debian,
            **values,
        ),
    }


def _host_sections(
    host: HostLayout, settings: Settings
) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    if host.is_compute:
        driver = settings.choices.drivers[host.name]
        sections['DEFAULT'] = {
            'host': host.name,
            'compute_driver': DRIVERS[driver],
        }
    for section, options in settings.choices.extra.get(host.name, {}).items():
        sections.setdefault(section, {}).update(options)
    return sections


def supervisor(layout: Layout, services: tuple[Service, ...]) -> str:
    """The supervisor's configuration file."""
    programs = [
        {
            'name': service.name,
            'command': _percent(
                shlex.join(service.host.enter(*service.command))
            ),
            'environment': _percent(
                ','.join(f'{k}="{v}"' for k, v in service.environment.items())
            ),
            'stop_signal': service.stop_signal,
            'log': service.log,
        }
        for service in services
    ]
    return render(
        'supervisord.conf',
        socket=layout.supervisor_socket,
        pid=layout.supervisor_pid,
        log=layout.logs / 'supervisord.log',
        programs=programs,
    )


def _percent(text: str) -> str:
    # supervisord expands %(...)s in its values.
    return text.replace('%', '%%')


def write(rendered: Mapping[Path, str]) -> set[Path]:
    """Write files; the paths of those that changed.

    Only root can read them, as many hold passwords; a host's /etc/hosts is
    for everybody.
    """
    changed = set()
    for path, text in rendered.items():
        if path.exists() and path.read_text() == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o644 if path.name == 'hosts' else 0o600)
        path.write_text(text)
        changed.add(path)
    return changed
