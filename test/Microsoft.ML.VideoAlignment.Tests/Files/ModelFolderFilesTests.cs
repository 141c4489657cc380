using System.IO.Compression;
using System.Text;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The files of whole models as other programs and other machines leave them.</summary>
public class ModelFolderFilesTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Open() => _folder = new TemporaryFolder();

    [TearDown]
    public void Close() => _folder.Dispose();

    private static IEnumerable<string> TextFiles => Directory.EnumerateFiles(TinyModel.Folder, "*", SearchOption.AllDirectories)
        .Where(path => Path.GetExtension(path) is ".json" or ".txt").Select(path => Path.GetRelativePath(TinyModel.Folder, path)).Order(StringComparer.Ordinal);

    [Test]
    public void EveryTextFileOfAModelMayBeginWithAByteOrderMarkAndEndLinesWithCrLf()
    {
        string model = CopyTinyModel();
        foreach (string name in TextFiles)
        {
            string text = File.ReadAllText(Path.Combine(model, name)).ReplaceLineEndings("\r\n");
            File.WriteAllText(Path.Combine(model, name), text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        }

        using VideoDiffusionModel marked = VideoDiffusionModel.FromPretrained(model);
        using VideoDiffusionModel plain = TinyModel.Load();
        using Tensor ids = marked.Prompts is ClipPromptEncoder prompts ? prompts.Tokens(["a red circle"]) : throw new InvalidOperationException();
        using Tensor expected = ((ClipPromptEncoder)plain.Prompts).Tokens(["a red circle"]);
        Assert.That(ids.data<long>().ToArray(), Is.EqualTo(expected.data<long>().ToArray()));
        Assert.That(marked.Hash, Is.EqualTo(plain.Hash));
    }

    [TestCaseSource(nameof(TextFiles))]
    public void ATextFileThatIsNoneIsNamed(string name)
    {
        byte[] utf16 = [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes("{}")];
        foreach (byte[] content in new byte[][] { utf16, [.. "version https://git-lfs.github.com/spec/v1\n"u8], [0xff, 0xff, 0xff] })
        {
            string model = CopyTinyModel();
            File.WriteAllBytes(Path.Combine(model, name), content);
            Exception? error = Assert.Catch(() => VideoDiffusionModel.FromPretrained(model).Dispose());

            // merges.txt is text of any kind; a pointer in its place is not a merge.
            Assert.That(error, Is.InstanceOf<WeightFileException>().Or.InstanceOf<InvalidDataException>());
            Assert.That(error!.Message, Does.Contain(Path.GetFileName(Path.GetDirectoryName(Path.Combine(model, name))!)), error.Message);
        }
    }

    [Test]
    public void AnIndexOfShardsMayBeginWithAByteOrderMarkOrBlanks([Values("", "\n  ")] string blanks, [Values] bool mark)
    {
        SafetensorsWriter.Write(_folder.Path("model-00001-of-00001.safetensors"), new Dictionary<string, Tensor> { ["a"] = ones(2) });
        string text = $$"""{{blanks}}{ "weight_map": { "a": "model-00001-of-00001.safetensors" } }""";
        string path = _folder.Write("model.safetensors.index.json", [.. mark ? Encoding.UTF8.GetPreamble() : [], .. Encoding.UTF8.GetBytes(text)]);
        using IWeightSource source = WeightFile.Open(path);
        Assert.That(source.Entries.Keys, Is.EqualTo(new[] { "a" }));
    }

    [TestCase("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS")]
    [TestCase("<html>404</html>", "web page")]
    [TestCase("", "empty")]
    public void WeightsThatAreNoneAreNamedForWhatTheyAre(string content, string mentions)
    {
        foreach (string name in new[] { "model.safetensors", "model.bin", "model.ckpt" })
        {
            string path = _folder.Write(name, Encoding.UTF8.GetBytes(content));
            Assert.That(() => WeightFile.Open(path), Throws.TypeOf<WeightFileException>().With.Message.StartsWith(path).And.Message.Contains(mentions));
        }

        Assert.That(() => WeightFile.Open($"{_folder}"), Throws.TypeOf<WeightFileException>().With.Message.Contains("is a folder"));
    }

    /// <summary>Programs of numpy, callbacks, bytes and sets in a checkpoint: each refusal says the one line that makes a file of weights alone.</summary>
    [TestCase("cnumpy.core.multiarray\nscalar\n.")]
    [TestCase("clightning.callbacks\nModelCheckpoint\n.")]
    [TestCase("C\u0001x.")]
    [TestCase("\u008f.")]
    [TestCase(")\u0081.")]
    [TestCase("(i__main__\nA\n.")]
    [TestCase("}))s.")]
    [TestCase("}}b.")]
    [TestCase("ctorch\nFloatStorage\n.")]
    public void WhatTheUnpicklerWillNotBuildComesWithTheRemedy(string pickle)
    {
        string path = _folder.Path("checkpoint.ckpt");
        using (ZipArchive archive = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            using Stream record = archive.CreateEntry("archive/data.pkl").Open();
            record.Write([0x80, 2, .. Encoding.Latin1.GetBytes(pickle)]);
        }

        Assert.That(() => WeightFile.Open(path), Throws.TypeOf<WeightFileException>().With.Message.Contains(PickleReader.Remedy));
    }

    [Test]
    public void AMovingAverageInAVideoCrafterCheckpointIsLeftOutWithANote()
    {
        string given = ConformanceCase.All().First(testCase => testCase.ToString().EndsWith("videocrafter-deepspeed", StringComparison.Ordinal)).Folder;
        foreach (string name in new[] { "config.yaml", "tiny-text.json" })
        {
            _folder.Write(name, File.ReadAllBytes(Path.Combine(given, name)));
        }

        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        (IWeightSource source, _) = new VideoCrafterFiles(Path.Combine(given, "model.ckpt")).Open();
        using (source)
        {
            foreach (string name in source.Entries.Keys)
            {
                tensors.Add(name["_forward_module.".Length..], source.Read(name));
            }
        }

        void Write() => TorchZipWriter.Write(
            _folder.Path("model.ckpt"), new Dictionary<string, IReadOnlyDictionary<string, Tensor>> { ["state_dict"] = tensors });
        Write();
        using (VideoCrafterNetworks _ = new VideoCrafterFiles(_folder.Path("model.ckpt")).Load(Placement.Cpu, out IReadOnlyList<string> nothing))
        {
            Assert.That(nothing, Is.Empty);
        }

        tensors.Add("model_ema.decay", ones(1));
        tensors.Add("model_ema.diffusion_modelinput_blocks00weight", ones(3));
        tensors.Add("first_stage_model.loss.logvar", ones(1));
        Write();
        using VideoCrafterNetworks networks = new VideoCrafterFiles(_folder.Path("model.ckpt")).Load(Placement.Cpu, out IReadOnlyList<string> notes);
        Assert.That(notes, Has.Count.EqualTo(2).And.Exactly(1).Contains("2 tensors are left out").And.Exactly(1).Contains("first_stage_model.loss.logvar"));
        tensors.Add("stranger.weight", ones(1));
        Write();
        Assert.That(() => new VideoCrafterFiles(_folder.Path("model.ckpt")).Load(Placement.Cpu, out _),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("stranger.weight"));
    }

    [TestCase("tokenizer")]
    [TestCase("tokenizer_2")]
    [TestCase("text_encoder")]
    public void T5sVocabularyIsFoundWhereDiffusersPutsIt(string folder)
    {
        _folder.Write($"text_encoder/config.json", "{}"u8);
        _folder.Write("tokenizer/tokenizer.json", "{}"u8);
        _folder.Write($"{folder}/spiece.model", "x"u8);
        Assert.That(T5TokenizerFolder.Find($"{_folder}"), Is.EqualTo(_folder.Path(folder)));
    }

    [Test]
    public void ATokenizerJsonAloneIsNotEnoughForT5()
    {
        string fast = _folder.Write("tokenizer/tokenizer.json", "{}"u8);
        Assert.That(() => T5TokenizerFolder.Find($"{_folder}"),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains(fast).And.Message.Contains("not enough").And.Message.Contains("spiece.model")
                .And.Message.Contains("tokenizer_2"));
        Assert.That(() => T5Tokenizer.FromFolder(_folder.Path("tokenizer")), Throws.TypeOf<FileNotFoundException>().With.Message.Contains("not enough"));
        Assert.That(() => T5Tokenizer.FromFolder($"{_folder}"),
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("spiece.model").And.Message.Not.Contains("not enough"));
    }

    [Test]
    public void AFaultOfAConfigurationNamesItsFile()
    {
        string model = CopyTinyModel();
        (string File, string Key, string Value)[] faults =
        [
            ("unet/config.json", "norm_num_groups", "0"),
            ("vae/config.json", "scaling_factor", "NaN"),
            ("scheduler/scheduler_config.json", "beta_start", "1e999"),
        ];
        foreach ((string file, string key, string value) in faults)
        {
            string path = Path.Combine(model, file);
            string before = File.ReadAllText(path);
            File.WriteAllText(path, before.Insert(before.LastIndexOf('}'), $", \"{key}\": {value}"));
            Assert.That(() => VideoDiffusionModel.FromPretrained(model),
                Throws.TypeOf<InvalidDataException>().With.Message.StartsWith(path).And.Message.Contains(key));
            File.WriteAllText(path, before);
        }
    }

    [TestCase("layers.0.weight", float.NaN)]
    [TestCase("layers.2.bias", float.NegativeInfinity)]
    public void ARewardHeadWithNumbersThatAreNotFiniteIsRefused(string name, float value)
    {
        var tensors = new Dictionary<string, Tensor>
        {
            ["layers.0.weight"] = ones(3, 4),
            ["layers.0.bias"] = ones(3),
            ["layers.2.weight"] = ones(1, 3),
            ["layers.2.bias"] = ones(1),
        };
        string path = _folder.Path("head.safetensors");
        SafetensorsWriter.Write(path, tensors.ToDictionary(pair => $"module.{pair.Key}", pair => pair.Value));
        ScoreHead.FromFile(path, HeadForm.Affine, Placement.Cpu).Dispose();
        tensors[name].view(-1)[0] = value;
        SafetensorsWriter.Write(path, tensors);
        Assert.That(() => ScoreHead.FromFile(path, HeadForm.Affine, Placement.Cpu),
            Throws.TypeOf<WeightFileException>().With.Message.StartsWith(path).And.Message.Contains(name));
    }

    [TestCase("scale", 0f)]
    [TestCase("scale", float.NaN)]
    [TestCase("shift", float.PositiveInfinity)]
    public void TheScaleOfOpenSorasLatentsIsChecked(string buffer, float value)
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.OpenSora);
        VideoAutoencoder vae = model.Autoencoder;
        Assert.That(() => vae.RequireScale("here"), Throws.Nothing);
        using IDisposable guard = no_grad();
        vae.get_buffer(buffer)!.fill_(value);
        Assert.That(() => vae.RequireScale("here"), Throws.TypeOf<WeightFileException>().With.Message.StartsWith("here"));
    }

    [TestCase(float.NaN)]
    [TestCase(1000f)]
    public void ATemperatureThatNoScoreSurvivesIsRefused(float value)
    {
        foreach (string path in Directory.EnumerateFiles(SmallRewards.ClipFolder))
        {
            _folder.Write(Path.GetFileName(path), File.ReadAllBytes(path));
        }

        string weights = _folder.Path("model.safetensors");
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        using (var source = new SafetensorsFile(weights))
        {
            foreach (string name in source.Entries.Keys)
            {
                tensors.Add(name, name == "logit_scale" ? tensor(value) : source.Read(name));
            }
        }

        SafetensorsWriter.Write(weights, tensors);
        Assert.That(() => VideoRewards.TextImageSimilarity($"{_folder}"), Throws.TypeOf<WeightFileException>().With.Message.Contains("logit_scale"));
    }

    [TestCase("version https://git-lfs.github.com/spec/v1\n", "Git LFS")]
    [TestCase("", "empty")]
    public void AVocabularyOfT5ThatIsNoneIsNamedForWhatItIs(string content, string mentions)
    {
        string path = _folder.Write("spiece.model", Encoding.UTF8.GetBytes(content));
        Assert.That(() => SentencePieceModel.FromFile(path),
            Throws.TypeOf<InvalidDataException>().With.Message.StartsWith(path).And.Message.Contains(mentions));
    }

    [Test]
    public void APieceWithoutAFiniteScoreIsRefused()
    {
        // Field 1 of the file: a piece of its text (field 1) and its score (field 2, four bytes).
        byte[] Piece(float score) => [0x0a, 8, 0x0a, 1, (byte)'a', 0x15, .. BitConverter.GetBytes(score)];
        Assert.That(() => SentencePieceModel.FromFile(_folder.Write("a.model", Piece(-1))), Throws.Nothing);
        Assert.That(() => SentencePieceModel.FromFile(_folder.Write("b.model", Piece(float.NaN))),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("score"));
    }

    [TestCase("steps", "0")]
    [TestCase("guidanceScale", "1e999")]
    [TestCase("eta", "-1")]
    [TestCase("framesPerSecond", "1e999")]
    [TestCase("segmentCount", "0")]
    [TestCase("sigmas", "[1, -1]")]
    public void ASavedAlignmentsNumbersAreChecked(string key, string value)
    {
        string Settings(string key, string value) => $$"""
            { "version": 1, "outputColumn": "Video", "baseModel": { "family": "F", "source": "S", "hash": "00" }, "seed": 1, "training": {},
              "sampling": {
                "size": { "frames": 2, "height": 16, "width": 16 },
                {{(key == "steps" ? "" : "\"steps\": 2,")}}
                {{(key == "guidanceScale" ? "" : "\"guidanceScale\": 1,")}}
                "{{key}}": {{value}} } }
            """;
        Assert.That(() => AlignmentManifest.Parse(Encoding.UTF8.GetBytes(Settings("eta", "0.5"))), Throws.Nothing);
        Assert.That(() => AlignmentManifest.Parse(Encoding.UTF8.GetBytes(Settings(key, value))),
            Throws.TypeOf<FormatException>().With.Message.Contains(key).IgnoreCase);
    }

    private string CopyTinyModel()
    {
        foreach (string path in Directory.EnumerateFiles(TinyModel.Folder, "*", SearchOption.AllDirectories))
        {
            _folder.Write(Path.Combine("model", Path.GetRelativePath(TinyModel.Folder, path)), File.ReadAllBytes(path));
        }

        return _folder.Path("model");
    }
}
