using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>A saved scoring transform: its columns, and its reward as a reference to files by their hashes.</summary>
internal static class ScoringArchive
{
    private const string ModelSignature = "VIDSCORE";
    private const uint FormatVersion = 0x00010002;
    private const string ColumnsEntry = "columns";
    private const string FramesEntry = "frames";
    private const string RewardEntry = "reward.json";

    /// <summary>Writes a scoring transform.</summary>
    /// <param name="context">ML.NET's context, which holds the zip.</param>
    /// <param name="loaderSignature">The name under which ML.NET finds the loader.</param>
    /// <param name="columns">The columns.</param>
    /// <param name="reward">The reward.</param>
    /// <exception cref="NotSupportedException">The reward does not say how it is saved, or its kind is not registered; nothing was written.</exception>
    public static void Save(ModelSaveContext context, string loaderSignature, ScoringColumns columns, VideoReward reward)
    {
        RewardReference named = RewardCatalog.Describe(reward);
        string reference = named.ToJson();
        MlNetInterop.SetVersion(context, ModelSignature, FormatVersion, loaderSignature);
        MlNetInterop.SaveStream(context, ColumnsEntry, writer =>
        {
            writer.Write(columns.Output);
            writer.Write(columns.Video);
            writer.Write(columns.Prompt ?? "");
        });
        MlNetInterop.SaveStream(context, FramesEntry, writer => writer.Write(columns.ClampFrames));
        MlNetInterop.SaveStream(context, RewardEntry, writer => writer.Write(reference));
        foreach ((_, FileReference file) in named.AllFiles())
        {
            SavedPaths.Add(file.Path);
        }
    }

    /// <summary>Reads a scoring transform.</summary>
    /// <param name="context">ML.NET's internal ModelLoadContext.</param>
    /// <param name="resolver">Finds the reward's files, and says what may be opened.</param>
    /// <returns>The columns, and the reward, which the caller owns.</returns>
    /// <exception cref="FormatException">The entries are missing, damaged or too large.</exception>
    /// <exception cref="InvalidOperationException">The reward's files may not be opened, or its program may not be run.</exception>
    public static (ScoringColumns Columns, VideoReward Reward) Load(object context, ModelResolver resolver)
    {
        var entries = new SavedEntries(context);
        ScoringColumns? columns = null;
        string? reference = null;
        bool found = entries.TryReadSettings(ColumnsEntry, reader =>
            columns = new ScoringColumns(reader.ReadString(), reader.ReadString(), reader.ReadString() is { Length: > 0 } prompt ? prompt : null));

        // Files of earlier versions have no such entry, and refuse values outside [0, 1].
        bool clamp = false;
        entries.TryReadSettings(FramesEntry, reader => clamp = reader.ReadBoolean());
        found &= entries.TryReadSettings(RewardEntry, reader => reference = reader.ReadString());
        return found
            ? (columns! with { ClampFrames = clamp }, resolver.Open(RewardReference.FromJson(reference!)))
            : throw new FormatException($"The saved scoring transform is incomplete: it lacks the entry '{ColumnsEntry}' or '{RewardEntry}'.");
    }
}
