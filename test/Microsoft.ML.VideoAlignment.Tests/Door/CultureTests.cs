using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the door gives, writes and says does not depend on the culture of the machine.</summary>
[NonParallelizable]
public partial class CultureTests
{
    /// <summary>Negative, fractional and large, as an option or a file may hold them.</summary>
    private static readonly VideoAlignmentOptions s_options = DoorRig.ThreeSteps with
    {
        Sampling = DoorRig.ThreeSteps.Sampling with { GuidanceScale = 1.5, NegativePrompt = "IIIİ ıi" },
        Lora = DoorRig.ThreeSteps.Lora with { Alpha = 2.5 },
        Optimizer = DoorRig.ThreeSteps.Optimizer with { LearningRate = 0.0125, EmaDecay = 0.5 },
        Reward = DoorRig.ThreeSteps.Reward with { Loss = RewardLoss.Target(-0.75, 1.25) },
        Validation = DoorRig.ThreeSteps.Validation with { Every = 1 },
    };

    [TestCaseSource(typeof(Cultures), nameof(Cultures.Names))]
    public void TheCulturesDifferFromTheInvariantOne(string culture) => Cultures.Under(culture, () =>
    {
        Assert.That((-1.5).ToString(CultureInfo.CurrentCulture), Is.Not.EqualTo("-1.5"));
        return true;
    });

    [TestCaseSource(typeof(Cultures), nameof(Cultures.Names))]
    public void AnAlignmentIsTheSame(string culture) => RequireSame(culture, Alignment);

    [TestCaseSource(typeof(Cultures), nameof(Cultures.Names))]
    public void AdapterFilesAreTheSameAndAreReadTheSame(string culture) => RequireSame(culture, AdapterFiles);

    [TestCaseSource(typeof(Cultures), nameof(Cultures.Names))]
    public void ErrorsAndDescriptionsAreTheSame(string culture) => RequireSame(culture, Texts);

    [TestCaseSource(typeof(Cultures), nameof(Cultures.Names))]
    public void WhatIsReadIsTheSame(string culture) => RequireSame(culture, Readings);

    private static void RequireSame(string culture, Func<Dictionary<string, byte[]>> run)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, byte[]> expected = Cultures.Under("", run), actual = Cultures.Under(culture, run);
        Assert.That(actual.Keys, Is.EquivalentTo(expected.Keys));
        Assert.Multiple(() =>
        {
            foreach ((string name, byte[] bytes) in expected)
            {
                Assert.That(Readable(actual[name]), Is.EqualTo(Readable(bytes)), name);
            }
        });
    }

    /// <summary>Trains, generates, saves and loads; what was written, logged and made.</summary>
    private static Dictionary<string, byte[]> Alignment()
    {
        var made = new Dictionary<string, byte[]>();
        string folder = Directory.CreateTempSubdirectory("culture").FullName;
        try
        {
            var rig = new DoorRig();
            List<(Runtime.ChannelMessageKind Kind, string Text)> log = rig.Listen();
            VideoAlignmentOptions options = s_options with { Validation = s_options.Validation with { Data = rig.Table("a horse") } };
            var control = new RunControl { CheckpointFolder = folder, CheckpointEvery = 2 };
            VideoAlignmentTransformer aligned = rig.Estimator(options, control).Fit(rig.Prompts);
            string zip = Path.Combine(folder, "aligned.zip");
            rig.Context.Model.Save(aligned, rig.Prompts.Schema, zip);
            made["log"] = Utf8(string.Join('\n', log.Where(message => message.Kind != Runtime.ChannelMessageKind.Trace)
                .Select(message => Times().Replace(message.Text, "TIME").Replace(folder, "FOLDER", StringComparison.Ordinal))));
            made["videos"] = Bytes(aligned.Transform(rig.Prompts));
            made["loaded"] = Bytes(rig.Loading(_ => rig.Model).Model.Load(zip, out _).Transform(rig.Prompts));
            made["checkpoint"] = File.ReadAllBytes(Path.Combine(folder, "step-2.safetensors"));
            using ZipArchive archive = ZipFile.OpenRead(zip);
            foreach (ZipArchiveEntry entry in archive.Entries)
            {
                using Stream content = entry.Open();
                using var copy = new MemoryStream();
                content.CopyTo(copy);
                made[entry.FullName] = copy.ToArray();
            }

            Assert.That(log.Select(message => message.Text), Has.Some.Match(@"\d[.,\u066B]\d"), "numbers are logged");
            return made;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Dictionary<string, byte[]> AdapterFiles()
    {
        var made = new Dictionary<string, byte[]>();
        string folder = Directory.CreateTempSubdirectory("culture").FullName;
        try
        {
            foreach (LoraFormat format in Enum.GetValues<LoraFormat>().Where(format => format is not LoraFormat.Cloneofsimo))
            {
                using var network = new TinyNetwork();
                using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.ByName("to_q", "to_out.0"), 4, 2.5, new Generator(3));
                var alpha = new LoraFileOptions { Alpha = 2.5 };
                string path = Path.Combine(folder, $"{format}.file");
                try
                {
                    LoraFile.Save(adapters, path, format, alpha);
                }
                catch (NotSupportedException refusal)
                {
                    made[$"{format}: refused"] = Utf8(refusal.Message);
                    continue;
                }

                foreach (string file in Directory.Exists(path) ? Directory.GetFiles(path) : [path])
                {
                    made[$"{format}: {Path.GetFileName(file)}"] = File.ReadAllBytes(file);
                }

                adapters.Detach();
                using LoraAdapters again = LoraFile.Load(network, path, format, alpha);
                made[$"{format}: scales"] =
                    Utf8(string.Join(' ', again.Layers.Select(layer => layer.Adapter.Scale.ToString("R", CultureInfo.InvariantCulture))));
            }

            return made;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Dictionary<string, byte[]> Texts()
    {
        var rig = new DoorRig();
        var bad = new VideoAlignmentOptions
        {
            Sampling = new() { GuidanceScale = double.NegativeInfinity, Eta = -0.5 },
            Lora = new() { Alpha = -1.5 },
            Optimizer = new() { LearningRate = -0.5, EmaDecay = 1.5, MaxGradientNorm = -0.125, Beta1 = 1.5, Epsilon = -1e-9 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { KlWeight = -2.25 }),
        };
        using VideoReward small =
            VideoRewards.Custom("small", (frames, _) => frames.mean([1, 2, 3, 4]), new RewardContract { FramesPerSecond = 7.5, ScoreRange = (-1.5f, -0.25f) });
        using VideoReward mix = small * -0.5f;
        using VideoDiffusionModel model = TinyModel.Load();
        var moments = new RunningMoments();
        Array.ForEach([-0.5, 2.25, 1e-9], moments.Add);
        return new Dictionary<string, string>
        {
            ["options"] = Message(() => rig.Estimator(bad)),
            ["policy"] = Message(() => rig.Estimator(new VideoAlignmentOptions
            {
                Algorithm = AlignmentAlgorithm.Ddpo(new DdpoOptions { ClipRange = -0.5, AdvantageClip = -1.5, TimestepFraction = 1.5, Eta = -0.5 }),
            })),
            ["preferences"] = Message(() => rig.Estimator(new VideoAlignmentOptions
            {
                Algorithm = AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { Beta = -0.5 }),
            })),
            ["window"] = Message(() => GradientWindow.LastSteps(-1).Resolve(3, static _ => 0)),
            ["algorithm"] = AlignmentAlgorithm.Ddpo().ToString(),
            ["mix"] = mix.Name,
            ["contract"] = small.Contract.Describe(),
            ["estimate"] = model.EstimateMemory(new VideoAlignmentOptions { Sampling = new() { Frames = 3, Height = 16, Width = 16 } }, small).Describe(),
            ["sensitivity"] = GradientWindow.MostSensitive().Describe(model, samplingSteps: 4),
            ["moments"] = moments.ToText(),
            ["report"] = new GradientCheckReport(-0.5, 1.5, [new GradientCheckRow("x", -0.25, -0.2501, 4e-4, 1e-3, "")]).ToString(),
            ["shapes"] = Message(() => Shapes.Require(zeros(1, 2), "B, 3")),
        }.ToDictionary(pair => pair.Key, pair => Utf8(pair.Value));

        // What the framework adds of an actual value follows the culture of the reader.
        static string Message(Action work) => Assert.Catch(work)!.Message.Split("Actual value was")[0];
    }

    private static Dictionary<string, byte[]> Readings()
    {
        using JsonDocument json = JsonDocument.Parse(
            """
            {
              "_class_name": "EulerDiscreteScheduler", "beta_start": 8.5e-4, "beta_end": 0.012, "beta_schedule": "scaled_linear",
              "timestep_spacing": "linspace"
            }
            """);
        IScheduler scheduler = SchedulerFactory.FromConfig(json.RootElement);
        string yaml = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{Guid.NewGuid():N}.yaml");
        File.WriteAllText(yaml, "a: -1.5\nb: 1e-3\nI: TITLE\n");
        using VideoDiffusionModel model = TinyModel.Load();
        string[] prompts = ["A TITLE IN ISTANBUL, 1.5 I's", "İIıi ÇĞÖŞÜ", "-1,5 ۱٫۵"];
        try
        {
            return new Dictionary<string, byte[]>
            {
                ["timesteps"] = Utf8(string.Join(' ', scheduler.CreateSampler(5).Timesteps.Select(time => time.ToString("R", CultureInfo.InvariantCulture)))),
                ["yaml"] = Utf8(YamlFile.Read(yaml).ToString()),
                ["prompts"] = Bytes(model.Encode(
                    new Sampling.VideoRequest { Prompts = prompts, Size = model.DefaultSize, Noise = _ => throw new InvalidOperationException() }).Text),
            };
        }
        finally
        {
            File.Delete(yaml);
        }
    }

    private static byte[] Bytes(IDataView videos) => [.. EstimatorContract.Values(videos).SelectMany(row => row).SelectMany(BitConverter.GetBytes)];

    private static byte[] Bytes(Tensor numbers) => numbers.contiguous().bytes.ToArray();

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>Text as it stands, other bytes by their values.</summary>
    private static string Readable(byte[] bytes) => bytes.Contains((byte)0) ? Convert.ToHexString(bytes) : Encoding.UTF8.GetString(bytes);

    [GeneratedRegex(@"\d+\.\d\d s a step, \d\d:\d\d:\d\d left")]
    private static partial Regex Times();
}
