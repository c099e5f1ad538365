#!/usr/bin/env bash
# Prints the folder of the CPU libtorch that the worker links, putting one together from PyPI's wheels when there is none.
#
# The wheel of PyTorch is the CUDA build, yet its libtorch_cpu.so needs no more of CUDA than two small libraries, which come in
# wheels of their own. The real libtorch.so would pull in CUDA whole: a linker script of that name points to libtorch_cpu.so.

source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

version=2.11.0
home=$cache/libtorch-$version-cpu

has_version() { [[ -r $1/build-version && $(<"$1/build-version") == "$version"* ]]; }

if [[ -n ${LIBTORCH:-} ]]; then
    if has_version "$LIBTORCH"; then
        realpath "$LIBTORCH"
        exit 0
    fi
    say "LIBTORCH=$LIBTORCH does not hold libtorch $version: using $home"
fi
if has_version "$home"; then
    echo "$home"
    exit 0
fi
[[ $(uname -sm) == "Linux x86_64" ]] ||
    fail "there is no ready libtorch for $(uname -sm): unpack libtorch $version yourself and set LIBTORCH to its folder"

say "no libtorch $version yet: putting it together in $home (once; about 550 MB to download)"
need_pip
work=$(mktemp -d "$cache/libtorch.XXXXXX")
trap 'rm -rf "$work"' EXIT
fetch "$work" torch==$version --python-version 3.12 --platform manylinux_2_28_x86_64
fetch "$work" nvidia-cuda-runtime==13.0.96 --platform manylinux2014_x86_64
fetch "$work" nvidia-cuda-cupti==13.0.85 --platform manylinux_2_25_x86_64

say "unpacking"
python3 - "$work" "$version" <<'PYTHON'
import os, pathlib, shutil, sys, zipfile

work, version = pathlib.Path(sys.argv[1]), sys.argv[2]
home = work / "libtorch"
lib = home / "lib"
lib.mkdir(parents=True)


def unpack(wheel, name, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(name) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)


def wheel(prefix):
    return zipfile.ZipFile(next(work.glob(prefix + "*.whl")))


with wheel("torch-") as torch:
    for name in ("libtorch_cpu.so", "libc10.so", "libgomp.so.1"):
        unpack(torch, "torch/lib/" + name, lib / name)
    for name in torch.namelist():
        if name.startswith("torch/include/") and not name.endswith("/"):
            unpack(torch, name, home / name.removeprefix("torch/"))
for prefix, name in (("nvidia_cuda_runtime-", "libcudart.so.13"), ("nvidia_cuda_cupti-", "libcupti.so.13")):
    with wheel(prefix) as nvidia:
        unpack(nvidia, next(n for n in nvidia.namelist() if n.endswith("/" + name)), lib / name)
for library in lib.iterdir():
    library.chmod(0o755)
os.symlink("libgomp.so.1", lib / "libgomp.so")
(lib / "libtorch.so").write_text("INPUT(libtorch_cpu.so)\n")
(home / "build-version").write_text(version + "\n")
PYTHON

# A rename is all or nothing: a set-up that is cut off leaves no half folder that the next one would trust.
rm -rf "$home"
mv "$work/libtorch" "$home"
echo "$home"
