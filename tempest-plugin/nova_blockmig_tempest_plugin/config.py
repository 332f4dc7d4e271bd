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

"""Options of the tempest plug-in, in ``[blockmig]`` of tempest.conf."""

from oslo_config import cfg

GROUP = cfg.OptGroup('blockmig', title='Block live migration (nova-blockmig)')

OPTIONS = [
    cfg.StrOpt(
        'drivers',
        default='nova-blockmig',
        choices=[
            ('nova-blockmig', 'All compute hosts run nova-blockmig.'),
            ('mixed', "Some hosts run Nova's own libvirt driver."),
        ],
        help='What the compute hosts run. In a mixed cloud a migration may '
        'be refused, but then nothing must have moved.',
    ),
    cfg.StrOpt(
        'guest',
        default='ssh',
        choices=[
            (
                'ssh',
                'An image with sudo, dd and sha256sum, reached over ssh as '
                '[validation] says; needs run_validation.',
            ),
            (
                'console',
                'An image that writes, reads and verifies files on its own '
                'and reports on its serial console.',
            ),
        ],
        help='How the tests verify the content of the disks.',
    ),
    cfg.StrOpt(
        'console_report',
        default=r'BLOCKMIG tick=(?P<tick>\d+) disk=(?P<disk>\S+) '
        r'check=(?P<check>\S+) files=(?P<files>\d+) '
        r'verified=(?P<verified>\d+) mismatches=(?P<mismatches>\d+)',
        help='Regular expression of a report on the console, with the '
        'groups tick, disk, check, files, verified and mismatches.',
    ),
    cfg.IntOpt(
        'ram_mib', default=256, min=64, help="MiB of the instances' flavor."
    ),
    cfg.IntOpt(
        'root_gib',
        default=1,
        min=1,
        help="GiB of the instances' root disk; as much as the image needs.",
    ),
    cfg.IntOpt(
        'too_large_ephemeral_gib',
        default=0,
        min=0,
        help='GiB of an ephemeral disk that a host can boot with but no '
        'other has room for. 0: there is no such size in this cloud, and '
        'the test of the refusal is skipped.',
    ),
    cfg.IntOpt(
        'timeout',
        default=300,
        min=1,
        help='Seconds for a migration, and for a report, to come.',
    ),
]
