#!/usr/bin/env bash
# Makes a virtual environment and installs farspan into it, editable.
#
#   tools/install.sh VENV [EXTRAS]        for example: tools/install.sh .venv dev
#
# Which torch: one that the Python installation already has is used as it is. Otherwise pip takes
# what its index offers, except where that would bring CUDA libraries (gigabytes) to a machine
# without an NVIDIA GPU: there torch comes from PyTorch's own index of CPU builds.
#
#   PYTHON=python3.12     the interpreter to use (3.11 or newer)
#   FARSPAN_TORCH=any     take whatever torch pip's index offers
#   FARSPAN_TORCH=URL     take torch from this package index
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${1:?usage: tools/install.sh VENV [EXTRAS]}
extras=${2:-}
target=".${extras:+[$extras]}"
torch_choice=${FARSPAN_TORCH:-}
cpu_index=https://download.pytorch.org/whl/cpu
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "$@"; exit 2; }

# The interpreter behind any active virtual environment, so that the new one stands on its own.
find_python() {
    local name
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        "$name" -c 'import sys; assert sys.version_info >= (3, 11); print(sys._base_executable)' \
            2>/dev/null && return
    done
    die "Python 3.11 or newer was not found; install it, or name it with PYTHON=/path/to/python3"
}

# The version range of torch, as pyproject.toml states it.
torch_requirement() {
    "$python" -c 'import tomllib
deps = tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]
print(next(d for d in deps if d.startswith("torch")))'
}

# Whether the interpreter itself has a torch that imports and lies in the range.
has_torch() {
    (cd / && "$python" - "$requirement" 2>/dev/null) <<'EOF'
import re, sys, torch
low, high = (tuple(map(int, v)) for v in re.findall(r"(\d+)\.(\d+)", sys.argv[1]))
version = tuple(int(part) for part in torch.__version__.split(".")[:2])
sys.exit(not low <= version < high)
EOF
}

make_venv() {
    local flags=(--clear)
    if has_torch; then
        flags+=(--system-site-packages)
        say "using the torch that $python has"
    fi
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "${flags[@]}" "$venv"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip "${flags[@]}" "$venv"
        "$python" -m pip --python "$venv/bin/python" install --quiet --ignore-installed pip
    else
        die "Python's venv module is incomplete; on Debian or Ubuntu run: apt install python3-venv"
    fi
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }

# Whether installing torch with these options would bring CUDA libraries; 2 if nothing resolves.
# Reads metadata only. A torch that the environment sees already brings nothing.
brings_cuda() {
    pip install --quiet --dry-run --report "$report" "$@" "$requirement" || return 2
    "$venv/bin/python" - "$report" <<'EOF'
import json, re, sys
names = [i["metadata"]["name"] for i in json.load(open(sys.argv[1]))["install"]]
sys.exit(not any(re.match(r"(nvidia|cuda)[-_]", n) for n in names))
EOF
}

install_torch() {
    local options=() found=0
    case $torch_choice in
        any) return ;; # comes with farspan's own requirements, below
        "") if has_gpu; then return; fi ;;
        *) options=(--index-url "$torch_choice") ;;
    esac
    if [ -z "$torch_choice" ]; then
        brings_cuda || found=$?
        [ $found != 1 ] || return 0
        [ $found != 2 ] || die "pip cannot find $requirement; its message is above"
        options=(--index-url "$cpu_index")
        say "no NVIDIA GPU here: taking torch from $cpu_index"
        brings_cuda "${options[@]}" || found=$?
        [ $found = 1 ] || die "no CPU build of torch came from $cpu_index; name an index that" \
            "has one with FARSPAN_TORCH=URL, or take pip's own choice, with gigabytes of CUDA" \
            "libraries, with FARSPAN_TORCH=any"
    fi
    pip install --quiet "${options[@]}" "$requirement" || die "torch could not be installed"
}

pip() { "$venv/bin/python" -m pip "$@"; }

python=$(find_python)
requirement=$(torch_requirement)
report=$(mktemp)
trap 'rm -f "$report"' EXIT

pip --version >/dev/null 2>&1 || make_venv
pip install --quiet --upgrade 'pip>=24' # older ones download wheels to read their metadata
install_torch
say "installing farspan$extras"
pip install --quiet --editable "$target"
