using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>
/// An OpenCLIP file as HPS v2 is published: torch.save of a dict whose state_dict holds the tensors beside other things; or the tensors alone.
/// </summary>
internal sealed class PreferenceFile : IDisposable
{
    private const string Entry = "state_dict";

    private PreferenceFile(IWeightSource weights) => Weights = weights;

    public IWeightSource Weights { get; }

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">It is not such a file; the message says what it looks like.</exception>
    public static PreferenceFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (Directory.Exists(path))
        {
            string hint = File.Exists(Path.Combine(path, "config.json"))
                ? " A folder with config.json is a transformers model: VideoRewards.PickScore or TextImageSimilarity take a CLIP's."
                : "";
            throw new WeightFileException(path, $"is a folder; HPS v2 is one file, HPS_v2_compressed.pt or HPS_v2.1_compressed.pt.{hint}");
        }

        IWeightSource source = WeightFile.OpenSingle(path);
        try
        {
            if (source is TorchFile torch)
            {
                torch.Select((torch.Root as DictNode)?.Find(Entry) is DictNode ? Entry : null);
            }

            source = UnwrappedWeights.Unwrap(source);
            return source.Entries.ContainsKey("visual.conv1.weight") && source.Entries.ContainsKey("text_projection")
                ? new PreferenceFile(source)
                : throw new WeightFileException(
                    path, "is not an HPS v2 model: expected OpenCLIP's two towers (visual.conv1.weight, text_projection, ... under state_dict), " +
                    $"as in HPS_v2_compressed.pt. {FileContents.Describe(source)}");
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public void Dispose() => Weights.Dispose();
}
