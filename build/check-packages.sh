#!/usr/bin/env bash
# Packs the shipping assemblies as they were built and looks inside: a package without its targets file, text or symbols is not one. Then it uses them, see
# check-consumers.sh.
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
library=$(ls "$folder"/Microsoft.ML.VideoAlignment.[0-9]*.nupkg) shapes=$(ls "$folder"/Microsoft.ML.VideoAlignment.MovingShapes.[0-9]*.nupkg)
holds "$library" buildTransitive/Microsoft.ML.VideoAlignment.targets
holds "$shapes" buildTransitive/Microsoft.ML.VideoAlignment.MovingShapes.targets
holds "$shapes" buildTransitive/MovingShapes/text-to-video/unet/diffusion_pytorch_model.safetensors

# Weights are in the package of the models alone: nobody who uses a real model carries them.
lacks() { ! grep -qaF "$2" "$1" || { echo "$1: $2 does not belong in it" >&2; exit 1; }; }
for package in "$folder"/*.nupkg; do
    [[ $package == "$shapes" ]] || for weights in .safetensors MovingShapes/; do lacks "$package" "$weights"; done
done
ls -l "$folder"/*.nupkg
build/check-consumers.sh "$folder"
