#!/usr/bin/env bash
# Packs the shipping assemblies as they were built and looks inside: a package without its targets file, text or symbols is not one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=artifacts/packages
rm -rf "$folder" && mkdir -p "$folder"
for project in src/*/*.csproj; do
    dotnet pack "$project" --configuration Release --no-build --output "$folder" > "$folder.log" 2>&1 || { cat "$folder.log" >&2; exit 1; }
done

# Names in a zip's directory are plain text, so no unzip is needed.
holds() { grep -qaF "$2" "$1" || { echo "$1: $2 is missing" >&2; exit 1; }; }
for package in "$folder"/*.nupkg; do
    id=$(basename "$package" | sed 's/\.[0-9][0-9.]*\(-.*\)\?\.nupkg$//')
    holds "$package" "lib/net10.0/$id.dll"
    holds "$package" "lib/net10.0/$id.xml"
    holds "$package" README.md
    holds "$package" icon.png
    holds "${package%.nupkg}.snupkg" "lib/net10.0/$id.pdb"
done
holds "$(ls "$folder"/Microsoft.ML.VideoAlignment.[0-9]*.nupkg)" buildTransitive/Microsoft.ML.VideoAlignment.targets
ls "$folder"/*.nupkg
