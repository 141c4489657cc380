#!/usr/bin/env bash
# Prints, one a line, the environment variables that make libtorch, oneDNN, MKL and .NET behave as on a machine that differs most from this one: without the widest
# instructions it has, on one thread, and without the library's own CPU kernels. For "env $(build/another-machine.sh) dotnet test ...".
set -euo pipefail

flags=" $(grep -m 1 '^flags' /proc/cpuinfo 2>/dev/null | cut -d : -f 2) "
if [[ $flags == *" avx512f "* ]]; then
    # AVX-512 here: the other is a machine with AVX2, such as AMD's before Zen 4.
    echo ATEN_CPU_CAPABILITY=avx2
    echo ONEDNN_MAX_CPU_ISA=AVX2
    echo MKL_ENABLE_INSTRUCTIONS=AVX2
    echo DOTNET_EnableAVX512=0
    echo DOTNET_EnableAVX512F=0
else
    # AVX2 at most here: the other has SSE4.1.
    echo ATEN_CPU_CAPABILITY=default
    echo ONEDNN_MAX_CPU_ISA=SSE41
    echo MKL_ENABLE_INSTRUCTIONS=SSE4_2
    echo DOTNET_EnableAVX=0
    echo DOTNET_EnableAVX2=0
fi

# One thread, and spinning at no barrier, is also what a container with half a processor should have.
echo OMP_NUM_THREADS=1
echo MKL_NUM_THREADS=1
echo VIDEO_ALIGNMENT_CPU_KERNELS=0
