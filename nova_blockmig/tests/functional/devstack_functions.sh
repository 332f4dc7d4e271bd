#!/bin/bash
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

# The few functions of DevStack that the plug-in calls, with the same
# arguments and effects: tools/devstack-dry-run runs it with the real ones.
# Commands that would change the host are written to $ROOT/commands.

record() { echo "$*" >>"$ROOT/commands"; }
is_service_enabled() { [[ ",$ENABLED_SERVICES," == *",$1,"* ]]; }
define_plugin() { record define_plugin "$@"; }
echo_summary() { record echo_summary "$@"; }
setup_develop() { record setup_develop "$@"; }
pip_uninstall() { record "pip_uninstall $* in ${PIP_VIRTUAL_ENV:-system}"; }
start_service() { record systemctl start "$1"; }
stop_service() { record systemctl stop "$1"; }
restart_service() { record systemctl restart "$1"; }
systemctl() { record systemctl "$@"; [[ "$1" != is-active ]]; }
sudo() { "$@"; }
die() { echo "${*:2}" >&2; exit 1; }
vercmp() { [[ "$(printf '%s\n%s\n' "$1" "$3" | sort -V | head -1)" != "$3" ]]; }
trueorfalse() { echo "${!2:-$1}"; }

# iniset FILE SECTION OPTION VALUE
iniset() {
    grep -q "^\[$2\]" "$1" 2>/dev/null || printf '\n[%s]\n' "$2" >>"$1"
    sed -i "/^\[$2\]/,/^\[/ { /^$3 *=/d; }; /^\[$2\]/a $3 = $4" "$1"
}
