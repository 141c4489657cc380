using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Runs of a few steps that fail or are canceled where a test says so.</summary>
public abstract class RescueFixture
{
    private protected const int Steps = 6;

    private protected TemporaryFolder Folder { get; private set; } = null!;

    [SetUp]
    public void Open() => Folder = new TemporaryFolder();

    [TearDown]
    public void Close() => Folder.Dispose();

    public static IEnumerable<TestCaseData> Algorithms() =>
    [
        new TestCaseData(AlignmentAlgorithm.RewardGradient()).SetArgDisplayNames("reward gradient"),
        new TestCaseData(AlignmentAlgorithm.Ddpo()).SetArgDisplayNames("DDPO"),
        new TestCaseData(AlignmentAlgorithm.DiffusionDpo()).SetArgDisplayNames("Diffusion-DPO"),
    ];

    private protected static VideoAlignmentOptions Options(int steps = Steps) =>
        DoorRig.ThreeSteps with { Optimizer = DoorRig.ThreeSteps.Optimizer with { Steps = steps } };

    private protected static void Throw(bool now, Exception thrown)
    {
        if (now)
        {
            throw thrown;
        }
    }

    /// <summary>Below a file no folder can be made, whoever asks.</summary>
    private protected string Unwritable() => Path.Combine(Folder.Write("file", []), "folder");

    private protected static DoorRig Rig(string temporary)
    {
        var rig = new DoorRig();
        rig.Context.TempFilePath = temporary;
        return rig;
    }

    private protected static VideoAlignmentEstimator Estimator(
        DoorRig rig, VideoAlignmentOptions options, VideoReward? reward = null, RunControl? control = null) =>
        new(rig.Context, new AlignmentColumns("Video", "Prompt", null, null), rig.Model, reward ?? new ScriptedReward(), options, control ?? new RunControl());

    private protected TrainingStepException Failed(
        VideoAlignmentOptions options, VideoReward? reward = null, string? temporary = null, Action<string>? log = null, RunControl? control = null)
    {
        DoorRig rig = Rig(temporary ?? Folder.Path("temporary"));
        if (log is not null)
        {
            rig.Context.Log += (_, message) => log(message.RawMessage);
        }

        return Assert.Throws<TrainingStepException>(() => Estimator(rig, options, reward, control).Fit(rig.Prompts))!;
    }

    /// <summary>What Fit returns under these options, as it is saved.</summary>
    private protected byte[] Weights(VideoAlignmentOptions options, VideoReward? reward = null, RunControl? control = null)
    {
        DoorRig rig = Rig(Folder.Path("temporary"));
        string path = Folder.Path($"{Guid.NewGuid():N}.safetensors");
        Estimator(rig, options, reward, control).Fit(rig.Prompts).SaveAdapters(path);
        return File.ReadAllBytes(path);
    }

    private protected sealed class ProgressCallback(Action<VideoAlignmentProgress> report) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => report(value);
    }
}
