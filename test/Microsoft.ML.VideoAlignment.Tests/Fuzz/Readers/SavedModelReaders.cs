using System.IO.Compression;
using System.Text;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.Custom;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using static Microsoft.ML.VideoAlignment.Tests.FuzzSeeds;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Saved models: their archives, the entries in them, and what stands in these of models and rewards.</summary>
internal static class SavedModelReaders
{
    private static readonly Type[] s_documented =
    [
        typeof(FormatException), typeof(InvalidDataException), typeof(InvalidOperationException), typeof(WeightFileException),
        typeof(FileNotFoundException), typeof(RewardContractException),
    ];

    private static readonly string[] s_words =
    [
        "baseModel", "baseFiles", "kind", "\"Hub\"", "source", "sampling", "sigmas", "Parts", "Files", "Arguments", "TorchScript", "Mix", "Aesthetic",
        "../x", "MovingShapesTrueRating", "MovingShapesObjectRemoval",
    ];

    public static IEnumerable<FuzzReader> All() => [.. Archives(), .. Rewards()];

    private static IEnumerable<FuzzReader> Archives()
    {
        var rig = new DoorRig();
        byte[] alignment = Save(rig, rig.Estimator().Fit(rig.Prompts), rig.Prompts.Schema);
        MLContext context = rig.Loading(_ => rig.Model);
        yield return Zip("alignment zip", alignment);
        yield return Entry("alignment settings", alignment, "settings.json");
        yield return Entry("alignment adapters", alignment, "adapters.safetensors");
        yield return new FuzzReader("alignment manifest", [Content(alignment, "settings.json")], (_, json) => AlignmentManifest.Parse(json).ToJson(),
            typeof(FormatException))
        { Words = s_words };

        IDataView videos = rig.Estimator().Fit(rig.Prompts).Transform(rig.Prompts);
        using VideoReward rating = MovingShapesRewards.TrueRating();
        byte[] scoring = Save(rig, rig.Context.Transforms.ScoreVideo("Score", "Video", rating, "Prompt").Fit(videos), videos.Schema);
        yield return Zip("scoring zip", scoring);
        yield return Entry("scoring columns", scoring, "columns");
        yield return Entry("scoring reward", scoring, "reward.json");

        FuzzReader Zip(string name, byte[] seed) =>
            new(name, [seed], (_, zip) => SavedZip.Load(context, zip).Dispose(), s_documented) { Words = s_words, ThroughMlNet = true };

        FuzzReader Entry(string name, byte[] zip, string entry) => new(name, [Content(zip, entry)], (_, changed) =>
        {
            using IDisposable loaded =
                SavedZip.Load(context, SavedZip.Change(zip, (found, content) => found == entry ? changed : content, CompressionLevel.NoCompression));
            if (loaded is VideoAlignmentTransformer transformer && entry.StartsWith("adapters", StringComparison.Ordinal))
            {
                EstimatorContract.Values(transformer.Transform(rig.Table("a")));
            }
        }, s_documented)
        { Words = s_words, ThroughMlNet = true };
    }

    private static IEnumerable<FuzzReader> Rewards()
    {
        using VideoReward rating = MovingShapesRewards.TrueRating();
        using VideoReward removal = MovingShapesRewards.ObjectRemoval("circle"), action = MovingShapesRewards.Action();
        using var mix = new RewardMix([(MovingShapesRewards.TrueRating(), 1), (MovingShapesRewards.TrueRating(), 2)], normalize: true);
        string mixed = mix.Reference.ToJson();
        string[] references = [rating.Reference.ToJson(), removal.Reference.ToJson(), action.Reference.ToJson(), mixed, OldSavedRewards.ObjectRemoval,
            OldSavedRewards.Action, OldSavedRewards.Mix];
        yield return new FuzzReader("reward reference", Utf8(references), (_, json) => ReadReference(Encoding.UTF8.GetString(json)),
            typeof(InvalidDataException), typeof(FileNotFoundException), typeof(RewardContractException))
        { Words = s_words };
        yield return new FuzzReader("reward contract",
            Utf8(ContractJson.Write(new RewardContract { ScoreRange = (0, 1), WorkingSize = (8, 8), FramesPerSecond = 8 })),
            (_, json) => ContractJson.Read(Encoding.UTF8.GetString(json)).Validate("x"), typeof(InvalidDataException), typeof(RewardContractException));

        yield return new FuzzReader("V-JEPA options", Utf8(new VJepaOptions { CropSize = 32 }.ToJson()),
            (_, json) => VJepaOptions.FromJson(Encoding.UTF8.GetString(json)).Validate(),
            typeof(InvalidDataException), typeof(ArgumentException));
    }

    // The networks of rewards are not what is read here: making them takes long.
    private static void ReadReference(string json)
    {
        var reference = RewardReference.FromJson(json);
        new ModelResolver(ModelResolver.OpenSource).Permission?.Require(reference, movedFiles: null);
        _ = reference.AllFiles().Count();
        if (reference.IsMix || reference.Kind.EndsWith("TrueRating", StringComparison.Ordinal))
        {
            reference.Resolve((part, _) => part.Kind.EndsWith("TrueRating", StringComparison.Ordinal)
                ? MovingShapesRewards.TrueRating()
                : throw new InvalidDataException(part.Kind)).Dispose();
        }
        else if (reference.Kind.EndsWith("ObjectRemoval", StringComparison.Ordinal))
        {
            _ = ObjectRemovalReward.ReadSettings(RewardCatalog.Saved(reference, new Dictionary<string, string>()));
        }
        else if (reference.Kind.EndsWith("Action", StringComparison.Ordinal))
        {
            _ = ActionClassificationSettings.Read(RewardCatalog.Saved(reference, new Dictionary<string, string>()));
        }
    }

    private static byte[] Content(byte[] zip, string entry)
    {
        byte[] found = [];
        SavedZip.Change(zip, (name, content) => name == entry ? found = content : content);
        return found;
    }

    private static byte[] Save(DoorRig rig, ITransformer transformer, DataViewSchema schema)
    {
        using var zip = new MemoryStream();
        rig.Context.Model.Save(transformer, schema, zip);
        return zip.ToArray();
    }
}
