#!/usr/bin/env bash
# Uses the packages as strangers do: new projects outside the repository, in a folder with blanks and umlauts, with the pages' code pasted into them, are built, run,
# published and run again. Their packages come from the folder given and the machine's own cache and sources; what cannot be restored there is skipped, and says why.
#   build/check-consumers.sh FOLDER   (of .nupkg files)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
feed=$(cd "$1" && pwd)
id=Microsoft.ML.VideoAlignment
version=$(ls "$feed" | sed -n "s/^$id\.\([0-9].*\)\.nupkg$/\1/p")
torch=$(sed -n 's/.*"TorchSharp-cpu" Version="\([^"]*\)".*/\1/p' "$root/build/Directory.Packages.props")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base="$work/Eine Prüfung für alle"
mkdir -p "$base" "$work/packages"
export DOTNET_CLI_USE_MSBUILD_SERVER=0 MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false

# A package folder of this run's own, so that no earlier build of these packages is taken for them; everything else is linked from the machine's cache.
cache=$(dotnet nuget locals global-packages --list | sed 's/^[^:]*: *//')
for package in "${cache%/}"/*/; do
    [[ $(basename "$package") == microsoft.ml.videoalignment* ]] || ln -s "$package" "$work/packages/"
done
export NUGET_PACKAGES="$work/packages"

failed() { echo "$1" >&2; [[ -z ${2-} ]] || tail -n 20 "$2" >&2; exit 1; }

# The code block of a page: the one under a mark, or the one of a number.
marked() { awk -v mark="<!-- $2 -->" '$0 == mark { under = 1 } under && /^```$/ { exit } inside { print } under && /^```csharp$/ { inside = 1 }' "$1"; }
numbered() { awk -v wanted="$2" '/^```$/ { inside = 0 } inside { print } /^```csharp$/ { inside = (++count == wanted) }' "$1"; }

# project NAME PACKAGE[=VERSION]... < code: a console project with these packages. What is built is linked to libtorch instead of holding a copy for every system.
project() {
    local name=$1 reference; shift
    mkdir -p "$base/$name"
    cat > "$base/$name/Program.cs"
    {
        echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings>'
        echo "<Nullable>enable</Nullable><RestoreAdditionalProjectSources>$feed</RestoreAdditionalProjectSources><InvariantGlobalization>true</InvariantGlobalization>"
        echo '<CreateSymbolicLinksForCopyLocalIfPossible>true</CreateSymbolicLinksForCopyLocalIfPossible><TreatWarningsAsErrors>true</TreatWarningsAsErrors></PropertyGroup><ItemGroup>'
        for reference in "$@" "TorchSharp-cpu=$torch"; do
            echo "<PackageReference Include=\"${reference%%=*}\" Version=\"$([[ $reference == *=* ]] && echo "${reference#*=}" || echo "$version")\" />"
        done
        echo '</ItemGroup></Project>'
    } > "$base/$name/$name.csproj"
}

# make VERB NAME OPTION...: 1 where packages cannot be restored here, which is said; any other error ends the check.
make() {
    local verb=$1 name=$2 log="$work/$2.log"; shift 2
    if ! dotnet "$verb" "$base/$name/$name.csproj" --configuration Release -nologo "$@" > "$log" 2>&1; then
        local reason
        reason=$(grep -m 1 -oE 'error NU1(101|102|103|301|605).*|error NETSDK1.*' "$log") || failed "$verb of $name failed" "$log"
        grep -q "$id" <<< "$reason" && failed "$verb of $name failed" "$log"
        echo "skipped: $name ($verb $*): ${reason:0:200}"
        return 1
    fi
}

# expect TEXT COMMAND...: runs it in the folder of the saved models, and looks for the text in what it prints.
expect() {
    local text=$1 log="$work/run.log"; shift
    (cd "$base" && OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OMP_WAIT_POLICY=PASSIVE "$@") > "$log" 2>&1 || [[ $text == *'dotnet add package'* ]] || failed "$* failed" "$log"
    grep -qF "$text" "$log" || failed "$* does not say '$text'" "$log"
    echo "ok: $(basename "$1") $(basename "${2-}"): $text"
}

built() { echo "$base/$1/bin/Release/net10.0/$1.dll"; }

page="$root/src/$id/PACKAGE.md"
rows='public sealed class PromptRow { [Microsoft.ML.Data.LoadColumn(0)] public string Prompt { get; set; } = ""; }'
videos='public sealed class VideoRow { public float[] Video { get; set; } = []; }'

# Two steps of training do for a check.
short() { sed 's/Steps = 10,/Steps = 2,/'; }

# The README: align, save, compare; load and write a video elsewhere.
{
    echo 'using Microsoft.ML; using Microsoft.ML.VideoAlignment; using static TorchSharp.torch;'
    marked "$root/README.md" 'examples/YourOwnReward/Program.cs#readme-reward'
    marked "$root/README.md" 'examples/YourOwnReward/Program.cs#readme-pipeline'
    echo 'Console.WriteLine($"compared {metrics.Gain!.WinRate >= 0}");'
    echo "$rows"
} | short | project Readme "$id" "$id.MovingShapes"
if make build Readme; then
    expect 'compared True' dotnet "$(built Readme)"
else
    echo "skipped: every check of the packages in use, since a project that uses them cannot be restored here"
    exit 0
fi

{
    echo 'using Microsoft.ML; using Microsoft.ML.VideoAlignment; using Microsoft.ML.VideoAlignment.Media;'
    echo 'string saved = "aligned.zip", video = "video.gif", prompt = "a red circle moving right on a dark background";'
    marked "$root/README.md" 'examples/GenerateVideo/Program.cs#readme-generate'
    echo 'Console.WriteLine($"wrote {new FileInfo(video).Length > 0}");'
    echo "$rows"
    echo "$videos"
} | project Generate "$id" "$id.Media" "$id.MovingShapes"
make build Generate && expect 'wrote True' dotnet "$(built Generate)"
if make publish Generate --runtime linux-x64 --self-contained --output "$base/ganz für sich"; then
    expect 'wrote True' "$base/ganz für sich/Generate"
    rm -rf "$base/ganz für sich"
fi
if make publish Generate --runtime linux-x64 --no-self-contained -p:PublishSingleFile=true --output "$base/eine Datei"; then
    expect 'wrote True' "$base/eine Datei/Generate"
    rm -rf "$base/eine Datei"
fi

# The package's page: its first program published for one system, its second beside Microsoft.ML.TorchSharp.
numbered "$page" 1 | short | project Page "$id" "$id.MovingShapes"
if make publish Page --runtime linux-x64 --no-self-contained --output "$base/für ein System"; then
    expect 'values, mean' "$base/für ein System/Page"
    rm -rf "$base/für ein System"
fi
{
    echo 'using Microsoft.ML.TorchSharp;'
    numbered "$page" 2 | sed 's/^mlContext.RegisterVideoAlignment();/&\nConsole.WriteLine(mlContext.MulticlassClassification.Trainers.TextClassification().GetType());/'
} | project Beside "$id" "$id.MovingShapes" Microsoft.ML.TorchSharp=0.23.1
make build Beside && expect '8 frames of 32 x 32' dotnet "$(built Beside)"

# Without the package of the model that the zip names.
numbered "$page" 2 | project Without "$id"
make build Without && expect "dotnet add package $id.MovingShapes" dotnet "$(built Without)"

# The library alone puts no weights beside a program.
[[ ! -e "$base/Without/bin/Release/net10.0/MovingShapes" ]] || failed "the package $id copies models"
