using System.Reflection;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the user wrote and where the user's files are is marked in ML.NET's log as the user's data.</summary>
public class SensitiveLogTests
{
    private const string Prompt = "zebra-prompt", HeldOut = "okapi-prompt", Place = "/home/kiwi-user/model", Reward = "kea-reward";

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Open() => _folder = new TemporaryFolder();

    [TearDown]
    public void Close() => _folder.Dispose();

    [Test]
    public void WhatTrainingSaysOfPromptsAndPathsIsTheUsers()
    {
        var rig = new DoorRig { Model = new TinyVideoModel(Place) };
        List<ChannelMessage> log = Listen(rig.Context);
        string runs = _folder.Path("kiwi-runs");
        IDataView prompts = rig.Table($"{Prompt} {new string('x', 40)}", "a blue square");
        using VideoReward reward = VideoRewards.Custom(Reward, (frames, _) => frames.mean([1L, 2L, 3L, 4L]));
        VideoAlignmentOptions options =
            DoorRig.ThreeSteps with
            {
                Sampling = DoorRig.ThreeSteps.Sampling with { NegativePrompt = "yak-negative", GuidanceScale = 1 },
                Validation = DoorRig.ThreeSteps.Validation with { Prompts = [HeldOut], Every = 1 },
            };
        var control = new RunControl { RunFolder = runs };
        for (int run = 0; run < 2; run++)
        {
            using VideoAlignmentTransformer aligned = rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward, options, control)
                .Fit(prompts);
            EstimatorContract.Values(aligned.Transform(prompts));
        }

        RequireMarked(log, Prompt, Place, Reward, runs);
        Assert.That(log.Where(message => message.Message.StartsWith("Step ", StringComparison.Ordinal)).Select(message => message.Sensitivity),
            Is.Not.Empty.And.All.EqualTo(MessageSensitivity.None));
    }

    [Test]
    public void APromptWhoseImageIsResizedIsTheUsers()
    {
        string image = _folder.Write("kiwi-image.png", PngBytes.Write(2, 2, 8, 2, [new byte[6], new byte[6]]));
        var rig = new DoorRig { Model = new TinyVideoModel(Place, readsImages: true) };
        List<ChannelMessage> log = Listen(rig.Context);
        IDataView rows = rig.Context.Data.LoadFromEnumerable([new ImageRow { Prompt = Prompt, Image = image }]);
        VideoAlignmentOptions options = DoorRig.ThreeSteps with { Sampling = DoorRig.ThreeSteps.Sampling with { ImageColumnName = "Image" } };
        using VideoAlignmentTransformer generated = rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model, options.Sampling).Fit(rows);
        EstimatorContract.Values(generated.Transform(rows));
        RequireMarked(log, "is resized");
    }

    /// <summary>One file decides what is marked how.</summary>
    [Test]
    public void EveryMessageGoesThroughLog()
    {
        string[] elsewhere = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
                && Path.GetFileName(file) != "Log.cs")
            .Where(file => File.ReadAllText(file).Contains(nameof(MessageSensitivity), StringComparison.Ordinal))];
        Assert.That(elsewhere, Is.Empty);
    }

    private static void RequireMarked(List<ChannelMessage> log, params string[] secrets)
    {
        foreach (string secret in secrets)
        {
            ChannelMessage[] telling = [.. log.Where(message => message.Message.Contains(secret, StringComparison.Ordinal))];
            Assert.That(telling, Is.Not.Empty, secret);
            Assert.That(telling.Where(message => (message.Sensitivity & MessageSensitivity.UserData) == 0).Select(message => message.Message), Is.Empty);
        }
    }

    /// <summary>What <c>MLContext.Log</c> is made of: the event itself does not tell the sensitivity.</summary>
    private static List<ChannelMessage> Listen(MLContext context)
    {
        object environment = typeof(MLContext).GetField("_env", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(context)!;
        MethodInfo add = environment.GetType().GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .First(method => method is { Name: "AddListener", IsGenericMethodDefinition: true }).MakeGenericMethod(typeof(ChannelMessage));
        var listener = new Listener();
        add.Invoke(environment, [typeof(Listener).GetMethod(nameof(Listener.Add))!.CreateDelegate(add.GetParameters()[0].ParameterType, listener)]);
        return listener.Messages;
    }

    private sealed class Listener
    {
        public List<ChannelMessage> Messages { get; } = [];

        // The type of the source is not public.
        public void Add(object source, ChannelMessage message)
        {
            _ = source;
            Messages.Add(message);
        }
    }

    private sealed class ImageRow
    {
        public string Prompt { get; set; } = "";

        public string Image { get; set; } = "";
    }
}
