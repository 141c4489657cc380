using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class PreferenceRewardTests
{
    private static TextImageReward Preference() => (TextImageReward)VideoRewards.HumanPreferenceV2(SmallPreference.File, SmallRewards.ClipFolder);

    [Test]
    public void APromptIsEncodedOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        using TextImageReward reward = Preference();
        Tensor frames = SmallRewards.Frames(3, 3, 2, 32, 32);
        reward.Score(frames, [.. SmallRewards.Prompts, SmallRewards.Prompts[0]]);
        Assert.That(reward.Towers.Prompts.Encoded, Is.EqualTo(2));
        reward.Score(frames, [SmallRewards.Prompts[1], "a old lamp", SmallRewards.Prompts[0]]);
        Assert.That(reward.Towers.Prompts.Encoded, Is.EqualTo(3));
    }

    [Test]
    public void WithoutItsTextTowerItKnowsThePromptsItWasGiven()
    {
        using DisposeScope scope = NewDisposeScope();
        using TextImageReward reward = Preference();
        Tensor frames = SmallRewards.Frames(2, 3, 2, 32, 32);
        float[] before = reward.Score(frames, SmallRewards.Prompts).data<float>().ToArray();
        long whole = Count(reward);
        using VideoReward mix = VideoRewards.Mix((reward, 1));
        mix.RestrictToPrompts(SmallRewards.Prompts);
        long alone = OpenClipBytes();
        Assert.That(Count(reward), Is.EqualTo(alone).And.LessThan(whole), "only the image tower is left");
        reward.MoveTo(CPU);
        Assert.That(reward.Score(frames, SmallRewards.Prompts).data<float>().ToArray(), Is.EqualTo(before).Within(1e-5), "texts are encoded in other batches");
        Assert.That(() => reward.Score(frames, ["no", "a lamp"]),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'a lamp'").And.Message.Contains("RestrictToPrompts"));

        static long Count(TextImageReward reward) => reward.Weights.Sum(weight => weight.numel());

        static long OpenClipBytes()
        {
            using var model = new OpenClipModel(SmallPreference.Config, OpenClipHalves.Vision, Placement.Meta);
            return model.parameters().Sum(parameter => parameter.numel());
        }
    }

    [Test]
    public void WeightsTakeNoGradientAndFramesDo()
    {
        using DisposeScope scope = NewDisposeScope();
        using TextImageReward preference = Preference();
        using TextImageReward pick = TextImageReward.PickScore(SmallRewards.ClipFolder, Placement.Cpu);
        foreach (TextImageReward reward in (TextImageReward[])[preference, pick])
        {
            Tensor frames = SmallRewards.Frames(2, 3, 2, 40, 52).requires_grad_(true);
            reward.Score(frames, SmallRewards.Prompts).sum().backward();
            Assert.That(frames.grad!.isfinite().all().item<bool>());
            Assert.That(frames.grad!.abs().amax([0, 1, 3, 4]).min().item<float>(), Is.GreaterThan(0), "every frame");
            Assert.That(reward.Weights.All(weight => !weight.requires_grad && weight.grad is null));
        }
    }

    /// <summary>Half keeps 11 bits: a cosine of a small network moves by about 1e-3.</summary>
    [TestCase(WeightPrecision.Float16)]
    [TestCase(WeightPrecision.BFloat16)]
    public void SmallerWeightsGiveNearlyTheSameScore(WeightPrecision precision)
    {
        using DisposeScope scope = NewDisposeScope();
        using TextImageReward full = Preference();
        using var small = (TextImageReward)VideoRewards.HumanPreferenceV2(SmallPreference.File, SmallRewards.ClipFolder, precision);
        Assert.That(small.Weights.All(weight => weight.element_size() == 2));
        Tensor frames = SmallRewards.Frames(2, 3, 1, 32, 32).requires_grad_(true);
        Tensor score = small.Score(frames, SmallRewards.Prompts);
        Assert.That(score.dtype, Is.EqualTo(ScalarType.Float32));
        Tensor difference = (score - full.Score(frames.detach(), SmallRewards.Prompts)).abs().max();
        Assert.That(difference.item<float>(), Is.GreaterThan(0).And.LessThan(precision == WeightPrecision.Float16 ? 5e-3 : 5e-2));
        score.sum().backward();
        Assert.That(frames.grad!.abs().max().item<float>(), Is.GreaterThan(0));
    }

    [Test]
    public void AestheticAndPreferenceShareTheImagesAndPickScoreHasItsOwn()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward two = VideoRewards.Aesthetic(SmallRewards.ClipFolder, SmallRewards.HeadFile) + Preference();
        using VideoReward pick = VideoRewards.PickScore(SmallRewards.ClipFolder);
        var frames = new PreprocessedFrames(SmallRewards.Frames(2, 3, 2, 40, 52));
        two.CheckedScore(frames, SmallRewards.Prompts);
        Assert.That(frames.ImageSets, Is.EqualTo(1));
        pick.CheckedScore(frames, SmallRewards.Prompts);
        Assert.That(frames.ImageSets, Is.EqualTo(2));
    }

    [Test]
    public void PickScoreSeesTheMiddleAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward pick = VideoRewards.PickScore(SmallRewards.ClipFolder);
        Tensor frames = SmallRewards.Frames(1, 3, 1, 32, 64).requires_grad_(true);
        pick.Score(frames, ["no"]).sum().backward();
        Tensor columns = frames.grad!.abs().amax([0, 1, 2, 3]);
        Assert.That(columns.narrow(0, 0, 16).max().item<float>(), Is.Zero);
        Assert.That(columns.narrow(0, 16, 32).min().item<float>(), Is.GreaterThan(0));
        Assert.That(columns.narrow(0, 48, 16).max().item<float>(), Is.Zero);
    }

    [Test]
    public void PromptsLongerThanTheContextAreCut()
    {
        using DisposeScope scope = NewDisposeScope();
        using TextImageReward reward = Preference();
        Tensor frames = SmallRewards.Frames(1, 3, 1, 32, 32).expand(3, -1, -1, -1, -1);

        // Nine places, two of them start and end: seven letters count.
        float[] scores = reward.Score(frames, ["abcdefghijkl", "abcdefgq", "abcdeggq"]).data<float>().ToArray();
        Assert.That(scores[0], Is.EqualTo(scores[1]).Within(1e-6));
        Assert.That(scores[2], Is.Not.EqualTo(scores[1]).Within(1e-6));
    }

    [Test]
    public void AVideosEmbeddingIsTheMeanOfItsFrames()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward video = VideoRewards.VideoTextSimilarity(SmallRewards.ClipFolder);
        using TextImageReward images = TextImageReward.Similarity(SmallRewards.ClipFolder, Placement.Cpu);
        Tensor frames = SmallRewards.Frames(2, 3, 3, 32, 32) * tensor(new float[] { 0, 0.5f, 1 }).view(1, 1, 3, 1, 1);
        Tensor features = images.RunStages(new PreprocessedFrames(frames)).Features.view(2, 3, -1);
        Tensor text = images.Towers.Prompts.Embed(SmallRewards.Prompts);
        Tensor expected = nn.functional.cosine_similarity(features.mean([1]), text, dim: 1);
        Assert.That(video.Contract.ScoreRange, Is.EqualTo((-1f, 1f)), "a cosine");
        Tensor score = video.Score(frames, SmallRewards.Prompts);
        Assert.That((score - expected).abs().max().item<float>(), Is.LessThan(1e-5));
        Assert.That((score - images.Score(frames, SmallRewards.Prompts)).abs().min().item<float>(), Is.GreaterThan(1e-5), "no mean of cosines");
        Assert.That(video.Contract.ScoresFramesSeparately, Is.False);
        Tensor single = frames.narrow(2, 1, 1);
        Assert.That(video.Score(single, SmallRewards.Prompts).allclose(images.Score(single, SmallRewards.Prompts), rtol: 1e-4, atol: 1e-6));
    }

    [Test]
    public void RewardsComeBackFromTheirReferences()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward mix = VideoRewards.HumanPreferenceV2(SmallPreference.File, SmallRewards.ClipFolder, WeightPrecision.Float16)
            + (VideoRewards.PickScore(SmallRewards.ClipFolder) * 0.01f) + VideoRewards.VideoTextSimilarity(SmallRewards.ClipFolder)
            + VideoRewards.Aesthetic(SmallRewards.ClipFolder, SmallRewards.HeadFile, WeightPrecision.BFloat16);
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(mix.Reference.ToJson()));
        Tensor frames = SmallRewards.Frames(2, 3, 2, 32, 32);
        Assert.That(again.Contract, Is.EqualTo(mix.Contract));
        Assert.That(again.Score(frames, SmallRewards.Prompts).Equals(mix.Score(frames, SmallRewards.Prompts)), "the same weights in the same precision");
    }

    [Test]
    public void AWrongFileIsToldByWhatItLooksLike()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string lora = folder.Path("lora.safetensors");
        SafetensorsWriter.Write(lora, new Dictionary<string, Tensor> { ["attn.to_q.lora_A.weight"] = zeros(2, 2) });
        foreach ((string file, string looks) in new[]
        {
            (Path.Combine(SmallRewards.ClipFolder, "model.safetensors"), "a CLIP model of transformers"),
                (SmallRewards.HeadFile, "a head on an image embedding"),
            (lora, "LoRA"), (SmallRewards.ClipFolder, "is a folder"),
        })
        {
            Assert.That(() => VideoRewards.HumanPreferenceV2(file, SmallRewards.ClipFolder), Throws.TypeOf<WeightFileException>().With.Message.Contains(looks));
        }

        Assert.That(() => VideoRewards.Aesthetic(SmallRewards.ClipFolder, SmallPreference.File),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("OpenCLIP"));
        Assert.That(() => VideoRewards.PickScore(SmallPreference.File), Throws.TypeOf<DirectoryNotFoundException>().With.Message.Contains("HumanPreferenceV2"));
    }

    [Test]
    public void AMissingTokenizerIsTold()
    {
        using var folder = new TemporaryFolder();
        Assert.That(() => VideoRewards.HumanPreferenceV2(SmallPreference.File, folder.Path("absent.txt.gz")),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("absent.txt.gz").And.Message.Contains("bpe_simple_vocab_16e6.txt.gz"));
        Assert.That(() => VideoRewards.HumanPreferenceV2(SmallPreference.File, folder.ToString()),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("vocab.json"));
        foreach (string file in Directory.GetFiles(SmallRewards.ClipFolder).Where(file => Path.GetFileName(file) is "config.json" or "model.safetensors"))
        {
            File.Copy(file, folder.Path(Path.GetFileName(file)));
        }

        Assert.That(() => VideoRewards.PickScore(folder.ToString()), Throws.TypeOf<FileNotFoundException>().With.Message.Contains("vocab.json"));
    }

    [Test]
    public void ATokenizerOfAnotherModelIsTold()
    {
        using DisposeScope scope = NewDisposeScope();
        string vocabulary = Path.Combine(ConformanceCase.Root, "S05-tokenizers", "vocab", "clip", "bpe_simple_vocab_16e6.txt.gz");
        using VideoReward reward = VideoRewards.HumanPreferenceV2(SmallPreference.File, vocabulary);
        Assert.That(() => reward.Score(SmallRewards.Frames(1, 3, 1, 32, 32), ["no"]),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("49407").And.Message.Contains("40"));
    }

    [Test]
    public void PromptsMayNotBeMissing()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frames = SmallRewards.Frames(2, 3, 1, 32, 32);
        using VideoReward reward = Preference();
        Assert.That(() => reward.Score(frames, []), Throws.TypeOf<RewardContractException>().With.Message.Contains("prompt column"));
        Assert.That(() => reward.Score(frames, ["no"]), Throws.TypeOf<RewardContractException>().With.Message.Contains("got 1"));
        Assert.That(() => reward.Score(frames, ["no", null!]), Throws.TypeOf<RewardContractException>().With.Message.Contains("null"));
        Assert.That(() => reward.Score(frames, ["no", ""]), Throws.Nothing, "the empty prompt is a prompt");
    }
}
