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


"""Pins of Python packages, where a machine cannot have them as they are."""


def with_libvirt(constraints: str, libvirt: str) -> str:
    """The same pins with a libvirt-python that can be built.

    It is built with the libvirt that is there, of its own version or older.

    :param constraints: the text of a constraints file.
    :param libvirt: the version of libvirt.
    """
    prefix = 'libvirt-python=='

    def mended(line: str) -> str:
        pinned = line.removeprefix(prefix)
        if pinned == line or _numbers(pinned) >= _numbers(libvirt):
            return line
        return prefix + libvirt

    return ''.join(f'{mended(line)}\n' for line in constraints.splitlines())


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split('.')]
