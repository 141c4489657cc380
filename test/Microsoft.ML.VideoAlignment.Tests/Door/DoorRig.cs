using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A row of prompts, with a column that has nothing to do with videos.</summary>
internal sealed class PromptRow
{
    public string Prompt { get; set; } = "";

    public int Draw { get; set; }

    public float Weight { get; set; }
}

/// <summary>What comes out for it.</summary>
internal sealed class VideoRow
{
    public string Prompt { get; set; } = "";

    [VectorType(2, 3, 4, 8)]
    public float[] Video { get; set; } = [];
}

/// <summary>A context, prompts, and an alignment estimator over fakes.</summary>
internal sealed class DoorRig
{
    public static readonly VideoAlignmentOptions ThreeSteps = new() { Steps = 3, LoraRank = 2, LearningRate = 0.05 };

    public DoorRig(int? seed = 1) => Context = new MLContext(seed);

    public MLContext Context { get; }

    /// <summary>Opens base models for <see cref="Loading"/>.</summary>
    public Func<string, VideoDiffusionModel> Opener { get; set; } = source => throw new DirectoryNotFoundException($"no folder {source}");

    public TinyVideoModel Model { get; init; } = new();

    public FakeReward Reward { get; init; } = new();

    public IDataView Prompts => Table("a red circle", "a blue square", "two green rings");

    public IDataView Table(params string[] prompts) =>
        Context.Data.LoadFromEnumerable(prompts.Select((prompt, row) => new PromptRow { Prompt = prompt, Draw = row, Weight = row }).ToList());

    public VideoAlignmentEstimator Estimator(VideoAlignmentOptions? options = null)
    {
        options ??= ThreeSteps;
        return new VideoAlignmentEstimator(Context, new AlignmentColumns("Video", "Prompt", options.SeedColumnName, options.ImageColumnName), Model, Reward,
            options);
    }

    /// <summary>A context of its own that loads over this rig's fakes.</summary>
    public MLContext Loading(Func<VideoModelReference, VideoDiffusionModel?>? resolve = null)
    {
        var context = new MLContext(seed: 7);
        context.RegisterVideoAlignment();
        ModelResolver.Register(context, new ModelResolver((source, _) => Opener(source), resolve));
        return context;
    }

    /// <summary>What the context logs from now on.</summary>
    public List<(ChannelMessageKind Kind, string Text)> Listen()
    {
        var messages = new List<(ChannelMessageKind, string)>();
        Context.Log += (_, log) => messages.Add((log.Kind, log.RawMessage));
        return messages;
    }
}
