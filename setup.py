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

"""The two files that Python reads at its start go beside the package.

They are neither modules nor package data, and what setuptools calls data
files goes to the environment's prefix. So a build step of our own puts them
where modules go.
"""

import pathlib

import setuptools
from setuptools.command import build

STARTUP_FILES = ['nova-blockmig.pth', 'nova-blockmig.start']


class BuildStartupFiles(setuptools.Command, build.SubCommand):
    """Copy the files into the wheel, an editable one included."""

    description = 'copy the files that Python reads when it starts'
    user_options = ()

    def initialize_options(self):
        self.build_lib = None
        self.editable_mode = False

    def finalize_options(self):
        self.set_undefined_options('build_py', ('build_lib', 'build_lib'))

    def _directory(self):
        # An editable wheel leaves out what is in build_lib, and takes what
        # is in the directory for files that are installed as they are.
        if self.editable_mode:
            return self.get_finalized_command('install').install_lib
        return self.build_lib

    def run(self):
        self.mkpath(self._directory())
        for name in STARTUP_FILES:
            self.copy_file(name, self._directory())

    def get_source_files(self):
        return STARTUP_FILES

    def get_output_mapping(self):
        if self.editable_mode:
            return {}
        return {
            str(pathlib.Path(self.build_lib, name)): name
            for name in STARTUP_FILES
        }

    def get_outputs(self):
        return list(self.get_output_mapping())


class Build(build.build):
    sub_commands = (*build.build.sub_commands, ('build_startup_files', None))


class Distribution(setuptools.Distribution):
    def __init__(self, attrs=None):
        super().__init__(attrs)
        # pbr puts commands of its own in the place of setup()'s cmdclass.
        self.cmdclass |= {
            'build': Build,
            'build_startup_files': BuildStartupFiles,
        }


setuptools.setup(distclass=Distribution, pbr=True)
