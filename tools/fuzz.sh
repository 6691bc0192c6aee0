#!/bin/sh
# Fuzz the compiled book: fuzz.sh PYTHON SECONDS (`make fuzz` calls this).
#
# With clang the core is compiled for coverage-led fuzzing and atheris (libFuzzer) searches;
# without clang, or where atheris cannot be installed, gcc's sanitizers watch a random search.
# Everything goes to build/fuzz; what fails is stored there as crash-*, timeout-* or oom-*, and
# `python -m tests.fuzz FILE` runs it again.
set -eu

python=$1
seconds=$2
root=$(pwd)
out=$root/build/fuzz
mkdir -p "$out"

clang=
for name in clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
    if command -v $name >/dev/null; then clang=$name; break; fi
done
if [ -n "$clang" ] && [ ! -e "$out/atheris/asan_with_fuzzer.so" ]; then
    "$python" -m pip --disable-pip-version-check -q install --only-binary :all: \
        --target "$out/atheris" "atheris>=2.3" || clang=
fi
if [ -n "$clang" ]; then
    CC=$clang LDSHARED="$clang -shared" NEXTRADE_SANITIZE=address,undefined,fuzzer-no-link \
        "$python" setup.py -q build --build-base "$out/led" --build-lib "$out/led/lib"
    path=$out/led/lib:$out/atheris:$root
    preload=$out/atheris/asan_with_fuzzer.so
else
    NEXTRADE_SANITIZE=address,undefined \
        "$python" setup.py -q build --build-base "$out/blind" --build-lib "$out/blind/lib"
    path=$out/blind/lib:$root
    preload=$("${CC:-cc}" -print-file-name=libasan.so)
fi
case $python in /*) ;; *) python=$root/$python ;; esac
cd "$out"
PYTHONPATH=$path LD_PRELOAD=$preload PYTHONMALLOC=malloc \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
    exec "$python" -m tests.fuzz --seconds "$seconds" --corpus "$out/corpus"
