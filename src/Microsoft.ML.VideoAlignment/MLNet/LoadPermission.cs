using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// What the program allows a saved model to open. Whoever made the file wrote the paths and names in it, so a path is opened only inside the trusted folders
/// or where this process saved the path itself, and a program is run only on request.
/// </summary>
/// <remarks>Nothing on the disk is touched before it is allowed.</remarks>
/// <param name="TrustedFolders">Folders whose files a saved model may name; empty: none.</param>
/// <param name="TorchScript">Whether TorchScript programs that saved models name may run.</param>
internal sealed record LoadPermission(IReadOnlyList<string> TrustedFolders, bool TorchScript)
{
    /// <summary>Allows only what this process saved itself.</summary>
    public static LoadPermission None { get; } = new([], TorchScript: false);

    /// <summary>Checks the model that a reference names, and the files beside it.</summary>
    /// <param name="reference">The reference in the file.</param>
    /// <param name="unpacked">Whether the model itself came inside the file, so that its source is not opened.</param>
    /// <exception cref="InvalidOperationException">
    /// The reference names something that is not allowed; the message says what, why, and how to allow it.
    /// </exception>
    public void Require(VideoModelReference reference, bool unpacked)
    {
        string alignment = $"The alignment belongs to the {reference.Family} model '{reference.SourceInWords}' (SHA-256 {reference.Hash})";
        if (reference.Fault() is { } fault)
        {
            throw new InvalidOperationException($"{alignment}, which cannot be loaded: {fault}");
        }

        if (!unpacked && reference.Kind == VideoModelSourceKind.Path && !reference.NamesEmbedded && !Allows(reference.Source))
        {
            throw new InvalidOperationException(
                $"{alignment}, and was not saved by this program: the path was written by whoever made the file, and is not opened without permission. "
                + "Before loading, call mlContext.RegisterVideoAlignment(reference => VideoDiffusionModel.FromPretrained(folder)) with the folder of that "
                + "model, or mlContext.RegisterVideoAlignment(trustedFolders: [folder]) with a folder whose models may be opened.");
        }

        (string Name, string? Path)[] beside =
            [(nameof(reference.TokenizerPath), reference.TokenizerPath), (nameof(reference.ConfigurationPath), reference.ConfigurationPath)];
        foreach ((string name, string? path) in beside)
        {
            if (path is not null && !Allows(path))
            {
                throw new InvalidOperationException(
                    $"{alignment}, whose {name} is '{path}', a path that whoever made the file wrote, and that is not opened without permission. "
                    + "Before loading, call mlContext.RegisterVideoAlignment(trustedFolders: [folder]) with a folder whose files may be opened, "
                    + "or open the model yourself: mlContext.RegisterVideoAlignment(reference => VideoDiffusionModel.FromPretrained(folder, options)).");
            }
        }
    }

    /// <summary>Checks the files that a reward names.</summary>
    /// <param name="reference">The reference in the file.</param>
    /// <param name="movedFiles">New paths that the program gave, by old path; null: none.</param>
    /// <exception cref="InvalidOperationException">
    /// The reference names something that is not allowed; the message lists everything, and says why and how to allow it.
    /// </exception>
    public void Require(RewardReference reference, IReadOnlyDictionary<string, string>? movedFiles)
    {
        string[] paths =
        [
            .. reference.AllFiles().Select(file => file.File.Path).Where(path => movedFiles?.ContainsKey(path) != true && !Allows(path))
                .Distinct(StringComparer.Ordinal),
        ];
        IEnumerable<RewardReference> run = TorchScript ? [] : reference.AllKinds().Where(part => RewardCatalog.Find(part.Kind)?.RunsProgram == true);
        string[] programs = [.. run.SelectMany(part => part.Files.Values).Select(file => file.Path)];
        if (programs.Length > 0)
        {
            throw new InvalidOperationException(
                $"The saved scoring's reward is a TorchScript program: {List(programs)}. Loading it runs the code in that file, and whoever made the "
                + "model file chose it, so it is not run without permission. If you trust it, call mlContext.RegisterVideoAlignment(allowTorchScript: true) "
                + $"before loading.{(paths.Length > 0 ? " " + HowToAllow(paths) : "")}");
        }

        if (paths.Length > 0)
        {
            throw new InvalidOperationException(
                $"The saved scoring was not saved by this program, and its reward names files that are not opened without permission. {HowToAllow(paths)}");
        }
    }

    private static string HowToAllow(string[] paths) =>
        $"For {List(paths)}, either trust the folder, mlContext.RegisterVideoAlignment(trustedFolders: [folder]), "
        + "or name your own copies by old path, RegisterVideoAlignment(movedRewardFiles: ...).";

    private static string List(IEnumerable<string> paths) => string.Join(", ", paths.Select(path => $"'{path}'"));

    private bool Allows(string path) =>
        path.Length > 0 && !path.Contains('\0', StringComparison.Ordinal)
        && (SavedPaths.Contains(path) || TrustedFolders.Any(folder => ImageFolder.Contains(folder, path)));
}
