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

# DevStack plug-in of nova-blockmig. VIRT_DRIVER stays libvirt: the package is
# another compute driver for the same hypervisor. Only hosts with n-cpu are
# touched, so the same local.conf serves controllers and subnodes.

_XTRACE_NOVA_BLOCKMIG=$(set +o | grep xtrace)
set +o xtrace

# Ends the line that is ours in libvirt's configuration.
NOVA_BLOCKMIG_MARK='# nova-blockmig'

# libvirt's TCP listener belongs to virtproxyd where its daemons are modular.
function nova_blockmig_libvirt_daemon {
    if systemctl is-active --quiet virtproxyd.socket; then
        echo virtproxyd
    else
        echo libvirtd
    fi
}

function nova_blockmig_check_host {
    if [[ "$VIRT_DRIVER" != "libvirt" ]]; then
        die $LINENO "nova-blockmig needs VIRT_DRIVER=libvirt, not $VIRT_DRIVER"
    fi
    if [[ "${NOVA_BACKEND:-}" == "LVM" ]]; then
        die $LINENO "nova-blockmig migrates disks that are files;" \
            "NOVA_BACKEND=LVM makes block devices"
    fi
}

# A checkout of Nova without tags calls itself 0.0.something, and pip would
# then put a released Nova in its place.
function nova_blockmig_check_nova {
    local version
    version=$("$NOVA_BIN_DIR/python3" -c \
        'from importlib import metadata; print(metadata.version("nova"))')
    if vercmp "$version" "<" "$NOVA_BLOCKMIG_MIN_NOVA"; then
        die $LINENO "Nova calls itself $version and nova-blockmig needs" \
            "$NOVA_BLOCKMIG_MIN_NOVA: fetch the tags in $NOVA_DIR"
    fi
}

# nova-cpu.conf is made of nova.conf when n-cpu starts, after post-config:
# what a plug-in writes into nova-cpu.conf itself is lost. [[post-config|
# $NOVA_CPU_CONF]] of local.conf is merged later still and wins.
function nova_blockmig_configure_nova {
    iniset "$NOVA_CONF" DEFAULT compute_driver nova_blockmig.LibvirtDriver
    if [[ "$NOVA_BLOCKMIG_LIBVIRT_TCP" == "True" ]]; then
        iniset "$NOVA_CONF" libvirt live_migration_uri "qemu+tcp://%s/system"
        iniset "$NOVA_CONF" libvirt live_migration_inbound_addr "$NOVA_MY_IP"
    fi
    local known variable option
    known=$("$NOVA_BIN_DIR/python3" -c '
from nova_blockmig import conf
print(*(opt.name for _, opts in conf.list_opts() for opt in opts))')
    for variable in "${!BLOCKMIG_@}"; do
        option=${variable#BLOCKMIG_}
        option=${option,,}
        # oslo.config says nothing about an option that it does not know.
        if [[ " $known " != *" $option "* ]]; then
            die $LINENO "$variable: [blockmig] has no option $option;" \
                "it has $known"
        fi
        iniset "$NOVA_CONF" blockmig "$option" "${!variable}"
    done
}

function nova_blockmig_open_libvirt {
    local daemon file address
    daemon=$(nova_blockmig_libvirt_daemon)
    file=$NOVA_BLOCKMIG_LIBVIRT_CONF_DIR/$daemon.conf
    address=$NOVA_MY_IP
    if [[ "$address" == *:* ]]; then
        address="[$address]"
    fi
    # There is something of ours already when stack.sh runs once more.
    nova_blockmig_forget_libvirt "$daemon" || true
    if sudo grep -q '^[[:space:]]*auth_tcp' "$file"; then
        die $LINENO "$file sets auth_tcp already: remove it, or set" \
            "NOVA_BLOCKMIG_LIBVIRT_TCP=False"
    fi
    echo "auth_tcp = \"none\" $NOVA_BLOCKMIG_MARK" | \
        sudo tee -a "$file" >/dev/null
    sudo mkdir -p "$SYSTEMD_DIR/$daemon-tcp.socket.d"
    sudo tee "$SYSTEMD_DIR/$daemon-tcp.socket.d/nova-blockmig.conf" \
        >/dev/null <<END_OF_UNIT
[Socket]
ListenStream=
ListenStream=$address:16509
END_OF_UNIT
    sudo systemctl daemon-reload
    # systemd hands a socket to a service only when the service starts.
    stop_service "$daemon"
    start_service "$daemon-tcp.socket"
    start_service "$daemon"
}

# The files only; says whether there was anything of ours.
function nova_blockmig_forget_libvirt {
    local daemon=$1
    local file=$NOVA_BLOCKMIG_LIBVIRT_CONF_DIR/$daemon.conf
    if ! sudo grep -q "$NOVA_BLOCKMIG_MARK\$" "$file"; then
        return 1
    fi
    sudo sed -i "/$NOVA_BLOCKMIG_MARK\$/d" "$file"
    sudo rm -f "$SYSTEMD_DIR/$daemon-tcp.socket.d/nova-blockmig.conf"
    sudo rmdir --ignore-fail-on-non-empty "$SYSTEMD_DIR/$daemon-tcp.socket.d"
}

function nova_blockmig_close_libvirt {
    local daemon
    daemon=$(nova_blockmig_libvirt_daemon)
    if nova_blockmig_forget_libvirt "$daemon"; then
        stop_service "$daemon-tcp.socket"
        sudo systemctl daemon-reload
        restart_service "$daemon"
    fi
}

# DevStack's pip_uninstall knows PIP_VIRTUAL_ENV but not GLOBAL_VENV, and
# would look in the system's Python.
function nova_blockmig_uninstall {
    if [[ "$GLOBAL_VENV" == "True" ]]; then
        PIP_VIRTUAL_ENV=$DEVSTACK_VENV pip_uninstall nova-blockmig
    else
        pip_uninstall nova-blockmig
    fi
}

if is_service_enabled n-cpu; then
    case "$1 $2" in
        "stack pre-install")
            nova_blockmig_check_host
            ;;
        "stack install")
            echo_summary "Installing nova-blockmig"
            nova_blockmig_check_nova
            setup_develop "$NOVA_BLOCKMIG_DIR"
            ;;
        "stack post-config")
            echo_summary "Configuring nova-blockmig"
            nova_blockmig_configure_nova
            if [[ "$NOVA_BLOCKMIG_LIBVIRT_TCP" == "True" ]]; then
                nova_blockmig_open_libvirt
            fi
            ;;
        "unstack "*)
            nova_blockmig_close_libvirt
            ;;
        "clean "*)
            nova_blockmig_uninstall
            ;;
    esac
fi

$_XTRACE_NOVA_BLOCKMIG
