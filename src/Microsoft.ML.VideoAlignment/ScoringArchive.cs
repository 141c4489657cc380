using Microsoft.ML.VideoAlignment.DataViews;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment;

/// <summary>A saved scoring transform: its columns, and its reward as a reference to files by their hashes.</summary>
internal static class ScoringArchive
{
    private const string ModelSignature = "VIDSCORE";
    private const uint FormatVersion = 0x00010001;
    private const string ColumnsEntry = "columns";
    private const string FramesEntry = "frames";
    private const string RewardEntry = "reward.json";

    /// <exception cref="NotSupportedException">The reward is code of the caller's; nothing was written.</exception>
    public static void Save(ModelSaveContext context, string loaderSignature, ScoringColumns columns, VideoReward reward)
    {
        RewardReference named = reward.Reference;
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
        foreach ((_, RewardReference.FileReference file) in named.AllFiles())
        {
            SavedPaths.Add(file.Path);
        }
    }

    /// <exception cref="FormatException">The entries are missing, damaged or too large.</exception>
    /// <exception cref="InvalidOperationException">It names files that may not be opened, or a program that may not be run.</exception>
    public static (ScoringColumns Columns, VideoReward Reward) Load(object context, ModelResolver places)
    {
        var entries = new SavedEntries(context);
        ScoringColumns? columns = null;
        string? reference = null;
        bool found = entries.TryReadSettings(ColumnsEntry, reader =>
            columns = new ScoringColumns(reader.ReadString(), reader.ReadString(), reader.ReadString() is { Length: > 0 } prompt ? prompt : null));

        // Files of earlier versions refuse.
        bool clamp = false;
        entries.TryReadSettings(FramesEntry, reader => clamp = reader.ReadBoolean());
        found &= entries.TryReadSettings(RewardEntry, reader => reference = reader.ReadString());
        return found
            ? (columns! with { ClampFrames = clamp }, places.Open(RewardReference.FromJson(reference!)))
            : throw new FormatException("The saved scoring transform is incomplete.");
    }
}
