using System.IO.Compression;
using System.Text;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.Custom;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A user's reward as a TorchScript file. TorchSharp can save only what it has loaded, so the program is put together here as torch.jit.save lays it out.
/// </summary>
public class TorchScriptRewardTests
{
    private const string Program = """
        class Gain(Module):
          __parameters__ = ["gain", ]
          __buffers__ = []
          gain : Tensor
          training : bool
          def forward(self: __torch__.Gain,
            frames: Tensor) -> Tensor:
            gain = self.gain
            bright = torch.mul(frames, gain)
            if self.training:
              score = torch.mul(torch.mean(bright, [1, 2, 3, 4]), 100.)
            else:
              score = torch.mean(bright, [1, 2, 3, 4])
            return score

        """;

    [Test]
    public void AProgramScoresInEvalModeWithFrozenWeights()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using VideoReward reward = VideoRewards.TorchScript(Write(folder), new RewardContract { ScoreRange = (0, 3) });
        Tensor frames = SmallRewards.Frames(2, 3, 2, 8, 8).requires_grad_(true);
        Tensor score = reward.Score(frames, []);
        Assert.That(score.allclose(frames.mean([1, 2, 3, 4]) * 3));
        score.sum().backward();
        Assert.That(frames.grad!.allclose(full_like(frames, 3.0 / (3 * 2 * 8 * 8))));
        Assert.That(((TorchScriptReward)reward).Weights.ToList(), Has.Count.EqualTo(1).And.All.Matches<Tensor>(weight => weight is { requires_grad: false }));
        Assert.That(RewardContractCheck.Run(reward, CPU).Warnings, Is.Empty);
        Assert.That(reward.Name, Is.EqualTo("gain"));
    }

    [Test]
    public void TheContractIsChecked()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string perFrame = Write(folder, Program.Replace("[1, 2, 3, 4]", "[1, 3, 4]", StringComparison.Ordinal));
        using VideoReward reward = VideoRewards.TorchScript(perFrame, new RewardContract());
        Assert.That(() => RewardContractCheck.Run(reward, CPU, frames: 4), Throws.TypeOf<RewardContractException>().With.Message.Contains("[2, 4]"));
        string other = Write(folder, Program.Replace("frames, gain)", "torch.reshape(frames, [7, 5]), gain)", StringComparison.Ordinal));
        using VideoReward failing = VideoRewards.TorchScript(other, new RewardContract());
        Assert.That(() => RewardContractCheck.Run(failing, CPU),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("TorchScript program 'gain' failed"));
        Assert.That(() => VideoRewards.TorchScript(perFrame, new RewardContract { ReadsPrompt = true }),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("no text"));
    }

    [Test]
    public void ItIsSavedByReferenceWithItsContract()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string file = Write(folder);
        using VideoReward reward = VideoRewards.TorchScript(file,
            new RewardContract { MinimumFrames = 2, WorkingSize = (8, 8), FramesPerSecond = 8, Direction = ScoreDirection.LowerIsBetter });
        string json = reward.Reference.ToJson();
        using (VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(json)))
        {
            Assert.That(again.Contract, Is.EqualTo(reward.Contract));
        }

        Write(folder, Program.Replace("100.", "10.", StringComparison.Ordinal));
        Assert.That(() => CompanionPackages.MakeReward(RewardReference.FromJson(json)), Throws.TypeOf<InvalidDataException>().With.Message.Contains(file));
    }

    [Test]
    public void OtherFilesAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var contract = new RewardContract();
        Assert.That(() => VideoRewards.TorchScript(folder.Path("none.pt"), contract),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("no such file"));
        Assert.That(() => VideoRewards.TorchScript(folder.Write("text.pt", "hello"u8), contract),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("not a zip archive"));
        Assert.That(() => VideoRewards.TorchScript(SmallRewards.HeadFile, contract),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("weights only"));
        string broken = Write(folder, "class Gain(Module):\n  nonsense\n");
        Assert.That(() => VideoRewards.TorchScript(broken, contract), Throws.TypeOf<WeightFileException>().With.Message.Contains("cannot load"));
    }

    /// <summary>The archive of a state dict, its pickle turned into the object of a class, with code beside it.</summary>
    internal static string Write(TemporaryFolder folder, string code = Program)
    {
        using Tensor gain = tensor(new[] { 3f });
        string path = folder.Path("gain.pt");
        TorchZipWriter.Write(path, new Dictionary<string, Tensor> { ["gain"] = gain });
        using ZipArchive archive = ZipFile.Open(path, ZipArchiveMode.Update);
        ZipArchiveEntry entry = archive.GetEntry("archive/data.pkl")!;
        byte[] dict;
        using (Stream stream = entry.Open())
        using (var memory = new MemoryStream())
        {
            stream.CopyTo(memory);
            dict = memory.ToArray();
        }

        entry.Delete();

        // requires_grad of the tensor: true, so that freezing shows.
        dict[dict.AsSpan().IndexOf("ccollections"u8) - 1] = 0x88;

        // PROTO 2, {( ... u.  ->  PROTO 2, class, (), NEWOBJ, {( training: True, ... u, BUILD.
        Add(archive, "data.pkl", [.. dict[..2], .. "c__torch__\nGain\n)"u8, 0x81, .. "}(X\x08\0\0\0training"u8, 0x88, .. dict[4..^1], .. "b."u8]);
        Add(archive, "constants.pkl", [0x80, 2, .. ")."u8]);
        Add(archive, "code/__torch__.py", Encoding.UTF8.GetBytes(code));
        return path;
    }

    private static void Add(ZipArchive archive, string name, byte[] bytes)
    {
        using Stream stream = archive.CreateEntry($"archive/{name}", CompressionLevel.NoCompression).Open();
        stream.Write(bytes);
    }
}
