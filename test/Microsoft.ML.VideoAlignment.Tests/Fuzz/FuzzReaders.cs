using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Media;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.Custom;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;
using Microsoft.ML.VideoAlignment.Weights;
using SkiaSharp;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Every reader of files and texts that others may have written, with small sound inputs.</summary>
internal static class FuzzReaders
{
    private static readonly string s_cases = ConformanceCase.Root;

    private static readonly Type[] s_configuration = [typeof(WeightFileException), typeof(InvalidDataException), typeof(NotSupportedException)];

    private static readonly Type[] s_tokenizer = [typeof(WeightFileException), typeof(InvalidDataException), typeof(FileNotFoundException)];

    /// <summary>The readers by what they read. Making a list makes the seeds.</summary>
    public static IReadOnlyDictionary<string, Func<IEnumerable<FuzzReader>>> ByKind { get; } = new Dictionary<string, Func<IEnumerable<FuzzReader>>>
    {
        ["weights"] = Weights,
        ["configurations"] = Configurations,
        ["tokenizers"] = Tokenizers,
        ["LoRA"] = Loras,
        ["images"] = Images,
        ["saved models"] = SavedModels,
        ["run states"] = States,
        ["hub"] = Hubs,
        ["texts"] = Texts,
    };

    private static byte[] Case(params string[] path) => File.ReadAllBytes(Path.Combine([s_cases, .. path]));

    private static byte[][] Utf8(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];

    private static IEnumerable<FuzzReader> Weights()
    {
        byte[][] safetensors = [Case("S17-files", "st-dtypes", "weights.safetensors"), Case("S17-files", "st-names", "weights.safetensors")];
        yield return OneFile("safetensors", "weights.safetensors", ReadWeights, safetensors)
            with
        { Words = ["dtype", "shape", "data_offsets", "__metadata__", "F8_E4M3", "BOOL", "BF16"] };
        byte[][] zips = [.. new[] { "torch-nested", "torch-protocol4", "torch-strides" }.Select(name => Case("S17-files", name, "weights.pt"))];
        yield return OneFile("torch zip", "weights.pt", ReadWeights, zips);
        yield return OneFile("torch zip, deflated", "weights.pt", ReadWeights, [.. zips.Select(zip => SavedZip.Change(zip, (_, content) => content))]);

        // The CRC of a record catches damage; a forger would write a fitting one.
        yield return new FuzzReader("pickle in a torch zip", [Pickle(zips[0])], (folder, pickle) =>
        {
            byte[] forged = SavedZip.Change(zips[0], (name, content) => name == "data.pkl" ? pickle : content, CompressionLevel.NoCompression);
            ReadWeights(folder.Write("weights.pt", forged));
        }, typeof(WeightFileException))
        { Words = ["ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "(", "t", "R", "Q", "b", "."] };
        byte[][] legacy = [Case("S17-files", "torch-legacy", "weights.pth"), Case("S17-files", "torch-legacy-views", "weights.bin")];
        yield return OneFile("legacy pickle", "weights.pth", ReadWeights, legacy);
        yield return new FuzzReader("unpickler", [.. zips.Select(Pickle)], (_, pickle) =>
        {
            int position = 0;
            RestrictedUnpickler.Read(pickle, ref position, "memory", "pickle", legacy: false, out IReadOnlyCollection<TorchStorage> _);
        }, typeof(WeightFileException));
        string shards = Path.Combine(s_cases, "S17-files", "shards-safetensors");
        yield return new FuzzReader("index of shards", [Case("S17-files", "shards-safetensors", "model.safetensors.index.json")], (folder, index) =>
        {
            foreach (string shard in Directory.EnumerateFiles(shards, "model-*").Where(shard => !File.Exists(folder.Path(Path.GetFileName(shard)))))
            {
                folder.Write(Path.GetFileName(shard), File.ReadAllBytes(shard));
            }

            ReadWeights(folder.Write("model.safetensors.index.json", index));
        }, typeof(WeightFileException))
        { Words = ["weight_map", "model-00001-of-00002.safetensors"] };
    }

    private static byte[] Pickle(byte[] zip)
    {
        byte[] pickle = [];
        SavedZip.Change(zip, (name, content) => name == "data.pkl" ? pickle = content : content);
        return pickle;
    }

    private static void ReadWeights(string path)
    {
        long most = (4 * new FileInfo(path).Length) + FuzzDriver.FreeBytes;
        using IWeightSource source = path.EndsWith(".json", StringComparison.Ordinal) ? WeightFile.Open(path) : WeightFile.OpenSingle(path);
        if (source is TorchFile { Root: var root } torch)
        {
            foreach (TensorNode node in Tensors(root))
            {
                using Tensor tensor = torch.Read(node);
                Assert.That(tensor.numel() * tensor.element_size(), Is.LessThanOrEqualTo(most));
            }

            return;
        }

        foreach (string name in source.Entries.Keys)
        {
            using Tensor tensor = source.Read(name);
            Assert.That(tensor.numel() * tensor.element_size(), Is.LessThanOrEqualTo(most));
        }
    }

    private static IEnumerable<TensorNode> Tensors(WeightNode root)
    {
        var seen = new HashSet<WeightNode>(ReferenceEqualityComparer.Instance);
        var left = new Stack<WeightNode>([root]);
        while (left.TryPop(out WeightNode? node))
        {
            if (seen.Add(node))
            {
                foreach (WeightNode child in node is ListNode list ? list.Items : node is DictNode dict ? dict.Items.Select(item => item.Value) : [])
                {
                    left.Push(child);
                }
            }
        }

        return seen.OfType<TensorNode>();
    }

    private static IEnumerable<FuzzReader> Configurations()
    {
        string[] openSora = ["S12-pipelines", "opensora-t2v"], modelScope = ["S12-pipelines", "modelscope-ddim", "model"],
            stable = ["S12-pipelines", "svd-basic", "pipeline"];
        yield return Config("CLIP text configuration", ClipTextConfig.FromJson, Case([.. modelScope, "text_encoder", "config.json"]), Embedded("clip"));
        yield return Config("CLIP configuration", ClipConfig.FromJson, Embedded("clip"));
        yield return Config("CLIP vision configuration", ClipVisionConfig.FromJson, Case([.. stable, "image_encoder", "config.json"]), Embedded("clip"));
        yield return Config("OpenCLIP configuration", OpenClipConfig.FromJson, Case("S12-pipelines", "videocrafter-ckpt", "tiny-text.json"));
        yield return Config("T5 configuration", T5Config.FromJson, Case([.. openSora, "text_encoder", "config.json"]));
        yield return Config("ModelScopeUNet configuration", ModelScopeUNetConfig.FromJson, Case([.. modelScope, "unet", "config.json"]));
        yield return Config("AutoencoderKL configuration", AutoencoderKLConfig.FromJson, Case([.. modelScope, "vae", "config.json"]));
        yield return Config("SVD UNet configuration", StableVideoDiffusionUNetConfig.FromJson, Case([.. stable, "unet", "config.json"]));
        yield return Config("STDiT3 configuration", STDiT3Config.FromJson, Case([.. openSora, "transformer", "config.json"]));
        yield return Config("Open-Sora VAE configuration", VideoAutoencoderConfig.FromJson, Case([.. openSora, "vae", "config.json"]));
        yield return Config("scheduler configuration", json => SchedulerFactory.FromConfig(json), Case([.. modelScope, "scheduler", "scheduler_config.json"]),
            Case([.. stable, "scheduler", "scheduler_config.json"]))
            with
        { Words = ["DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler", "scaled_linear", "trained_betas", "_class_name"] };
        yield return Config("YOLOS configuration", YolosConfig.FromJson, Embedded("detector"));
        yield return Config("labels", LabelTable.FromJson, Embedded("detector")) with { Words = ["id2label", "label2id", "num_labels"] };
        yield return OneFile("model index", "model_index.json", path =>
        {
            var listing = new ModelListing(Path.GetDirectoryName(path)!, []);
            _ = ModelCatalog.All.FirstOrDefault(family => family.Recognizes(listing));
        }, [Case([.. modelScope, "model_index.json"]), Case([.. stable, "model_index.json"])], s_configuration) with
        { Words = ["_class_name", "TextToVideoSDPipeline", "StableVideoDiffusionPipeline"] };
        yield return Config("VideoMAE configuration", VideoMaeConfig.FromJson, Embedded("action"));
        yield return OneFile(
            "YAML of VideoCrafter", "config.yaml",
            path => VideoCrafterConfig.FromJson(Params(YamlFile.Read(path)), name => VideoCrafterConfig.FindTextDescription(name) ?? Tiny()),
            [Case("S12-pipelines", "videocrafter-ckpt", "config.yaml")], s_configuration) with
        { Words = ["&a ", "*a", "<<: *a", "- ", ": ", "!!binary ", "? ", "|\n", "---\n"] };

        static FuzzReader Config<T>(string name, Func<JsonElement, T> read, params byte[][] seeds) => new(name, seeds, (folder, json) =>
        {
            folder.Write("config.json", json);
            new DiffusersFolder(folder.Path("")).Parse(read);
        }, s_configuration);

        static byte[] Embedded(string model) => File.ReadAllBytes(Path.Combine(MovingShapesFiles.Find(model), "config.json"));
        static JsonElement Params(JsonElement yaml) => yaml.TryGetProperty("model", out JsonElement model) && model.ValueKind == JsonValueKind.Object
            && model.TryGetProperty("params", out JsonElement read)
            && read.ValueKind == JsonValueKind.Object ? read : throw new InvalidDataException("no model.params");
        static JsonElement Tiny() => JsonFile.Read(Path.Combine(s_cases, "S12-pipelines", "videocrafter-ckpt", "tiny-text.json"));
    }

    private static IEnumerable<FuzzReader> Tokenizers()
    {
        string clip = MovingShapesFiles.Find("clip");
        foreach (string file in new[] { "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json" })
        {
            yield return Clip(file, ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"]);
        }

        yield return Clip("tokenizer.json", ["tokenizer.json", "tokenizer_config.json"]);
        yield return OneFile(
            "added tokens", "added_tokens.json",
            path => AddedTokenFiles.Read(AddedTokenFiles.ReadJson(Path.GetDirectoryName(path)!, "added_tokens.json"), default, default, ""),
            Utf8("""{ "<new>": 7, "b": 8 }"""), s_tokenizer);
        byte[] merges = File.ReadAllBytes(Path.Combine(clip, "merges.txt"));
        yield return OneFile("OpenCLIP vocabulary", "bpe.txt", path => OpenClipVocabulary.ReadTokenizer(path).ToIds("a red circle"), [merges], s_tokenizer);
        yield return OneFile("OpenCLIP vocabulary, gzip", "bpe.txt.gz", path => OpenClipVocabulary.ReadTokenizer(path).ToIds("a red circle"), [Zipped(merges)],
            s_tokenizer);
        yield return OneFile("SentencePiece model", "spiece.model", path => new T5Tokenizer(SentencePieceModel.FromFile(path), 8).ToIds("a red circle"),
            [Pieces()], s_tokenizer);

        byte[] pieces = Pieces();
        yield return new FuzzReader("T5 tokenizer configuration",
            Utf8("""{ "model_max_length": 300, "added_tokens_decoder": { "2": { "content": "<unk>", "special": true } } }"""), (folder, config) =>
        {
            folder.Write("spiece.model", pieces);
            folder.Write("tokenizer_config.json", config);
            T5Tokenizer.FromFolder(folder.Path("")).Encode(["a red circle"]);
        }, s_tokenizer);

        FuzzReader Clip(string file, string[] all) => new($"CLIP {file}", [File.ReadAllBytes(Path.Combine(clip, file))], (folder, content) =>
        {
            foreach (string other in all)
            {
                folder.Write(other, other == file ? content : File.ReadAllBytes(Path.Combine(clip, other)));
            }

            ClipTokenizer.FromFolder(folder.Path("")).Encode(["a red circle", "x</w>!"]);
        }, s_tokenizer)
        { Words = ["</w>", "<|endoftext|>", "content", "added_tokens_decoder", "model_max_length", "merges", "vocab"] };

        static byte[] Zipped(byte[] content)
        {
            using var zipped = new MemoryStream();
            using (var gzip = new GZipStream(zipped, CompressionLevel.Optimal, leaveOpen: true))
            {
                gzip.Write(content);
            }

            return zipped.ToArray();
        }
    }

    /// <summary>A unigram vocabulary of eight pieces as the protocol buffer has it.</summary>
    private static byte[] Pieces()
    {
        List<byte> file = [];
        (string Text, float Score, int Kind)[] pieces =
            [("<pad>", 0, 3), ("</s>", 0, 3), ("<unk>", 0, 2), ("\u2581", -2, 1), ("\u2581a", -3, 1), ("r", -4, 1), ("e", -4, 1), ("<0x41>", 0, 6)];
        foreach ((string text, float score, int kind) in pieces)
        {
            byte[] name = Encoding.UTF8.GetBytes(text);
            byte[] piece = [0x0a, (byte)name.Length, .. name, 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)kind];
            file.AddRange([0x0a, (byte)piece.Length, .. piece]);
        }

        return [.. file, 0x12, 2, 0x18, 1, 0x1a, 6, 0x18, 1, 0x20, 1, 0x28, 1];
    }

    private static IEnumerable<FuzzReader> Loras()
    {
        string all = Path.Combine(s_cases, "S14-lora", "all-formats");
        var network = new Lazy<ModelScopeUNet>(
            () => new ModelScopeUNet(ModelScopeUNetConfig.FromJson(JsonFile.Read(Path.Combine(all, "unet", "config.json"))), Placement.Cpu));
        byte[] adapter = Small(Path.Combine(all, "peft", "adapter_model.safetensors")),
            config = File.ReadAllBytes(Path.Combine(all, "peft", "adapter_config.json"));
        yield return new FuzzReader("peft configuration", [config], (folder, content) => Peft(folder, content, adapter), typeof(WeightFileException))
        { Words = ["rank_pattern", "alpha_pattern", "use_rslora", "lora_alpha", "peft_type", "(a+)+$", "to_q"] };
        yield return new FuzzReader("peft weights", [adapter], (folder, content) => Peft(folder, config, content), typeof(WeightFileException));
        yield return Lora("kohya file", "kohya.safetensors", LoraFormat.Kohya, Small(Path.Combine(all, "kohya.safetensors")));
        yield return Lora("diffusers LoRA", "pytorch_lora_weights.safetensors", LoraFormat.Diffusers,
            Small(Path.Combine(all, "pytorch_lora_weights.safetensors")));
        yield return Lora("VADER LoRA", "vader_lora.pt", LoraFormat.Vader, File.ReadAllBytes(Path.Combine(all, "vader_lora.pt")));
        yield return Lora("cloneofsimo LoRA", "40_unet.pt", LoraFormat.Cloneofsimo, Case("S14-lora", "cloneofsimo-list", "40_unet.pt"));

        void Peft(TemporaryFolder folder, byte[] settings, byte[] weights)
        {
            folder.Write("adapter_config.json", settings);
            folder.Write("adapter_model.safetensors", weights);
            LoraFile.Read(network.Value, folder.Path(""), LoraFormat.Peft).Dispose();
        }

        FuzzReader Lora(string name, string file, LoraFormat format, byte[] seed) =>
            OneFile(name, file, path => LoraFile.Read(network.Value, path, format).Dispose(),
                [seed]) with
            { Words = ["lora_A", "lora_B", "lora_down", "lora_up", ".alpha", "lora_unet_", "__metadata__", "dora_scale"] };
    }

    /// <summary>The first module of an adapter file: the header of the whole is most of it, and slow to go through a hundred thousand times.</summary>
    private static byte[] Small(string path)
    {
        using var source = new SafetensorsFile(path);
        string first = source.Entries.Keys.Order(StringComparer.Ordinal).First();
        string module = first[..first.IndexOf("lora", StringComparison.Ordinal)];
        module = module.Length > 0 ? module : first[..first.IndexOf('.', StringComparison.Ordinal)];
        using DisposeScope scope = NewDisposeScope();
        var tensors = source.Entries.Keys.Where(name => name.StartsWith(module, StringComparison.Ordinal))
            .ToDictionary(name => name, source.Read, StringComparer.Ordinal);
        using var content = new MemoryStream();
        SafetensorsWriter.Write(content, tensors, new Dictionary<string, string>(source.Metadata));
        return content.ToArray();
    }

    private static IEnumerable<FuzzReader> Images()
    {
        var limits = new ImageLimits { MaxPixels = 256 * 256 };
        Type[] documented = [typeof(InvalidDataException), typeof(FileNotFoundException)];
        byte[] png = Skia(SKEncodedImageFormat.Png), jpeg = Skia(SKEncodedImageFormat.Jpeg), webp = Skia(SKEncodedImageFormat.Webp), gif = Gif();
        foreach ((string name, byte[] seed) in new[] { ("a.png", png), ("a.jpg", ExifBytes.InJpeg(jpeg, 6)), ("a.webp", webp), ("a.gif", gif) })
        {
            yield return OneFile($"image {name}", name, path =>
            {
                using var file = ImageFile.Open(path, limits);
                Assert.That(file.DecodeFrames().Take(100).Count(), Is.GreaterThan(0));
            }, [seed], documented) with
            { Words = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND", "eXIf", "acTL", "GIF89a", "RIFF", "WEBP", "VP8X", "Exif\0\0"] };
        }

        foreach ((string name, byte[] seed) in new[] { ("a.png", png), ("a.gif", gif) })
        {
            yield return OneFile($"VideoFile {name}", name, path => VideoFile.Read(path, new VideoReadOptions { MaxPixels = 256 * 256, MaxFrames = 16 }),
                [seed], documented);
            yield return OneFile($"image column {name}", name, path => ImageDoors.ByPath(path, limits), [seed], documented) with { ThroughMlNet = true };
        }

        static byte[] Skia(SKEncodedImageFormat format)
        {
            using var bitmap = new SKBitmap(new SKImageInfo(12, 9, SKColorType.Rgba8888, SKAlphaType.Unpremul));
            for (int y = 0; y < 9; y++)
            {
                for (int x = 0; x < 12; x++)
                {
                    bitmap.SetPixel(x, y, new SKColor((byte)(x * 20), (byte)(y * 25), 90, (byte)(255 - x)));
                }
            }

            using SKData data = bitmap.Encode(format, 90);
            return data.ToArray();
        }

        static byte[] Gif()
        {
            using var folder = new TemporaryFolder();
            string path = folder.Path("a.gif");
            VideoFile.Write(path, new VideoClip([.. Enumerable.Range(0, 3 * 3 * 6 * 8).Select(i => i % 11 / 10f)], 3, 6, 8), framesPerSecond: 8);
            return File.ReadAllBytes(path);
        }
    }

    private static IEnumerable<FuzzReader> SavedModels()
    {
        Type[] documented =
        [
            typeof(FormatException), typeof(InvalidDataException), typeof(InvalidOperationException), typeof(WeightFileException),
                typeof(FileNotFoundException),
            typeof(RewardContractException),
        ];
        string[] words =
        [
            "baseModel", "baseFiles", "kind", "\"Hub\"", "source", "sampling", "sigmas", "Parts", "Files", "Arguments", "TorchScript", "Mix", "Aesthetic",
                "../x",
            "MovingShapesTrueRating", "MovingShapesObjectRemoval",
        ];
        var rig = new DoorRig();
        byte[] alignment = Save(rig, rig.Estimator().Fit(rig.Prompts), rig.Prompts.Schema);
        MLContext context = rig.Loading(_ => rig.Model);
        yield return Zip("alignment zip", alignment);
        yield return Entry("alignment settings", alignment, "settings.json");
        yield return Entry("alignment adapters", alignment, "adapters.safetensors");
        yield return new FuzzReader("alignment manifest", [Content(alignment, "settings.json")], (_, json) => AlignmentManifest.Parse(json).ToJson(),
            typeof(FormatException))
        { Words = words };

        IDataView videos = rig.Estimator().Fit(rig.Prompts).Transform(rig.Prompts);
        using VideoReward rating = MovingShapesRewards.TrueRating();
        byte[] scoring = Save(rig, rig.Context.Transforms.ScoreVideo("Score", "Video", rating, "Prompt").Fit(videos), videos.Schema);
        yield return Zip("scoring zip", scoring);
        yield return Entry("scoring columns", scoring, "columns");
        yield return Entry("scoring reward", scoring, "reward.json");

        using VideoReward removal = MovingShapesRewards.ObjectRemoval("circle"), action = MovingShapesRewards.Action();
        using var mix = new RewardMix([(MovingShapesRewards.TrueRating(), 1), (MovingShapesRewards.TrueRating(), 2)], normalize: true);
        string mixed = mix.Reference.ToJson();
        string[] references = [rating.Reference.ToJson(), removal.Reference.ToJson(), action.Reference.ToJson(), mixed, OldSavedRewards.ObjectRemoval,
            OldSavedRewards.Action, OldSavedRewards.Mix];
        yield return new FuzzReader("reward reference", Utf8(references), (folder, json) =>
        {
            // The networks of rewards are not what is read here: making them takes long.
            var reference = RewardReference.FromJson(Encoding.UTF8.GetString(json));
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
        }, typeof(InvalidDataException), typeof(FileNotFoundException), typeof(RewardContractException))
        { Words = words };
        yield return new FuzzReader("reward contract",
            Utf8(ContractJson.Write(new RewardContract { ScoreRange = (0, 1), WorkingSize = (8, 8), FramesPerSecond = 8 })),
            (_, json) => ContractJson.Read(Encoding.UTF8.GetString(json)).Validate("x"), typeof(InvalidDataException), typeof(RewardContractException));

        yield return new FuzzReader("V-JEPA options", Utf8(new VJepaOptions { CropSize = 32 }.ToJson()),
            (folder, json) => VJepaOptions.FromJson(Encoding.UTF8.GetString(json)).Validate(),
            typeof(InvalidDataException), typeof(ArgumentException));

        FuzzReader Zip(string name, byte[] seed) =>
            new(name, [seed], (_, zip) => SavedZip.Load(context, zip).Dispose(), documented) { Words = words, ThroughMlNet = true };

        FuzzReader Entry(string name, byte[] zip, string entry) => new(name, [Content(zip, entry)], (_, changed) =>
        {
            using IDisposable loaded =
                SavedZip.Load(context, SavedZip.Change(zip, (found, content) => found == entry ? changed : content, CompressionLevel.NoCompression));
            if (loaded is VideoAlignmentTransformer transformer && entry.StartsWith("adapters", StringComparison.Ordinal))
            {
                EstimatorContract.Values(transformer.Transform(rig.Table("a")));
            }
        }, documented)
        { Words = words, ThroughMlNet = true };

        static byte[] Content(byte[] zip, string entry)
        {
            byte[] found = [];
            SavedZip.Change(zip, (name, content) => name == entry ? found = content : content);
            return found;
        }

        static byte[] Save(DoorRig rig, ITransformer transformer, DataViewSchema schema)
        {
            using var zip = new MemoryStream();
            rig.Context.Model.Save(transformer, schema, zip);
            return zip.ToArray();
        }
    }

    private static IEnumerable<FuzzReader> States()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Path("state.safetensors");
        var content = new StateWriter();
        content.Write("count", 3);
        using (Tensor numbers = arange(6).to_type(ScalarType.Float32))
        {
            content.AddSection("optimizer").Write("moments", numbers);
            RunState.Write(path, new string('a', 32), 4, 5, new RunFingerprint([]), content);
        }

        yield return OneFile("run state", "state.safetensors", file =>
        {
            using var state = RunState.Open(file);
            state.Content.ReadInteger("count");
            state.Content.OpenSection("optimizer").ReadAnyTensor("moments", CPU).Dispose();
        }, [File.ReadAllBytes(path)], typeof(RunFolderException)) with
        { Words = ["format", "version", "facts", "values", "sha256", "step"] };

        // The checksum of a state keeps mutants from what lies behind it; a forger would write a fitting one.
        yield return new FuzzReader(
            "facts of a run state", Utf8("""[["Model", "Hash", "ab12"], ["Options", "LearningRate", "0.001"]]"""),
            (_, json) => RunFingerprint.Parse(Encoding.UTF8.GetString(json)), typeof(FormatException));
        yield return new FuzzReader("values of a run state", Utf8("""{ "count": 3, "flag": true, "rate": "0.5", "part": { "name": "x" } }"""), (folder, json) =>
        {
            JsonObject values;
            try
            {
                values = RunState.ParseValues(Encoding.UTF8.GetString(json));
            }
            catch (Exception error) when (error is JsonException or FormatException)
            {
                return;
            }

            using var none = new SafetensorsFile("none", Case("S17-files", "st-names", "weights.safetensors"));
            var reader = new StateReader(values, none);
            _ = (reader.ReadInteger("count"), reader.ReadFlag("flag"), reader.ReadNumber("rate"), reader.OpenSection("part").ReadText("name"));
        }, typeof(RunFolderException));
    }

    /// <summary>What a hub answers when it is asked for a model's files; the files themselves are sound.</summary>
    private static IEnumerable<FuzzReader> Hubs()
    {
        var hub = new FakeHub();
        using var client = new HttpMessageInvoker(hub, disposeHandler: false);
        using HttpResponseMessage answer =
            client.Send(new HttpRequestMessage(HttpMethod.Get, "https://huggingface.co/api/models/owner/a-model/revision/main?blobs=true"), default);
        using var listing = new MemoryStream();
        answer.Content.ReadAsStream().CopyTo(listing);
        yield return new FuzzReader("listing of a hub", [listing.ToArray()], (folder, content) =>
        {
            using var network = new Listing(content);
            HubFiles.Resolve("owner/a-model", new HubOptions { CacheFolder = folder.Path("cache") }, network: network, environment: _ => null,
                pause: TimeSpan.Zero);
        }, typeof(ModelDownloadException))
        { Words = ["siblings", "rfilename", "../x", "lfs", "sha256", "blobId", "model.safetensors", "sha", FakeHub.Commit] };
    }

    private sealed class Listing(byte[] content) : DelegatingHandler(new FakeHub())
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.RequestUri!.AbsolutePath.StartsWith("/api/", StringComparison.Ordinal))
            {
                return Task.FromResult(new HttpResponseMessage { Content = new ByteArrayContent(content), RequestMessage = request });
            }

            try
            {
                return base.SendAsync(request, cancellationToken);
            }
            catch (ArgumentOutOfRangeException)
            {
                // The listing says that a file is longer than it is, and what is behind its end was asked for.
                return Task.FromResult(new HttpResponseMessage(System.Net.HttpStatusCode.RequestedRangeNotSatisfiable) { RequestMessage = request });
            }
        }
    }

    private static IEnumerable<FuzzReader> Texts()
    {
        string[] captions = [.. JsonNode.Parse(Case("S05-tokenizers", "clean-caption", "texts.json"))!.AsArray().Take(40).Select(text => $"{text!["text"]}")];
        yield return Text("caption", text => CaptionCleaner.Clean(CaptionCleaner.Clean(text)), [], captions)
            with
        {
            Words = ["https://", "www.", ".com", "<person>", "<a href=\"", "</", "&amp;", "#12345", "@", "%E4%B8", "free shipping", "\u31c0", "a1b2c3d4",
            "click on ", "_-_-_", "x\u0445"]
        };
        yield return Text("Open-Sora prompt", text =>
        {
            var prompt = OpenSoraPrompt.Parse(text);
            IReadOnlyList<string> cleaned = OpenSoraPrompt.Clean(prompt.AddScores());
            _ = prompt.Merge(cleaned);
            _ = prompt.SelectForLoop(cleaned, 1);
            _ = OpenSoraPrompt.ReferencedImages(text);
            _ = MaskStrategy.InSegment(prompt.MaskStrategy, 2, 1, 3, only: 1).Count;
        }, [typeof(FormatException), typeof(NotSupportedException)],
            """|0| a sunny day |2| a rainy day {"reference_path": "a.png;b.png", "mask_strategy": "0,0,0,0,1;1,1,-1,2,1,0.5"}""", "a ship",
                """a {"mask_strategy": "1"}""")
            with
        { Words = ["|0|", "|", "{\"reference_path\": \"", "\"mask_strategy\": \"", "aesthetic score:", "motion score:", ",", ";", "-1"] };
        var clip = ClipTokenizer.FromFolder(MovingShapesFiles.Find("clip"));
        yield return Text("CLIP text", text => clip.Encode([text]), [], captions);
        yield return OneFile("prompts, one a line", "prompts.txt", path => VideoPrompts.FromTextFile(path), Utf8("a ship\na cat\n"),
            typeof(InvalidDataException));
        yield return OneFile("prompts in a table", "prompts.tsv", path => VideoPrompts.FromTsv(path, "Prompt"),
            Utf8("Id\tPrompt\n1\t\"a \"\"ship\"\"\"\n2\ta cat\n"), typeof(InvalidDataException));

        // Half of a surrogate pair is what no UTF-8 holds, and what a string may.
        static FuzzReader Text(string name, Action<string> read, Type[] documented, params string[] seeds) => new(name, Utf8(seeds), (_, bytes) =>
        {
            string text = Encoding.UTF8.GetString(bytes);
            read(bytes.Length % 2 == 0 ? text : text + (char)(0xd800 + (bytes.Length % 0x400)));
        }, documented);
    }

    private static FuzzReader OneFile(string name, string file, Action<string> read, byte[][] seeds, params Type[] documented) =>
        new(name, seeds, (folder, content) => read(folder.Write(file, content)), documented.Length > 0 ? documented : [typeof(WeightFileException)]);
}
