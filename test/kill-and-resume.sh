#!/usr/bin/env bash
# Kills a process that trains at random moments, and starts it again until its run is done; the weights must be those of the run that nobody killed.
# usage: test/kill-and-resume.sh [kills, default 200] (after: dotnet build -c Release)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export VIDEO_ALIGNMENT_KILLS=${1:-200} DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
dotnet test test/Microsoft.ML.VideoAlignment.Tests --configuration Release --no-build --filter FullyQualifiedName~KillTests --logger "console;verbosity=normal"
