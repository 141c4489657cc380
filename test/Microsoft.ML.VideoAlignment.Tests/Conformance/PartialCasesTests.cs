using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A case may run a part of what its kind can: decode and not encode, a text and no image. Runners then check that part.</summary>
[Category("Conformance")]
public class PartialCasesTests
{
    private static IEnumerable<TestCaseData> Parts() => new (string Case, string[] Inputs, string[] Outputs)[]
    {
        ("S07-vae-kl/vae-clamp", ["latents"], ["decoded"]),
        ("S07-vae-kl/vae-clamp", ["pixels"], ["mean", "logvar"]),
        ("S08-svd/vae-one-layer", ["z"], ["decoded"]),
        ("S08-svd/vae-one-layer", ["pixels"], ["mode"]),
        ("S09-videocrafter/autoencoder", ["z"], ["frames"]),
        ("S09-videocrafter/autoencoder", ["video"], ["mean"]),
        ("S10-opensora/vae-pipeline", ["z"], ["decode"]),
        ("S10-opensora/vae-pipeline", ["x", "noise.spatial", "noise.temporal"], ["encode"]),
        ("S10-opensora/vae-temporal", ["z"], ["decode"]),
        ("S10-opensora/vae-temporal", ["x"], ["encode.mean", "encode.logvar"]),
        ("S02-clip-vision/clip-quick-gelu", ["pixel_values"], ["image_features"]),
        ("S02-clip-vision/clip-quick-gelu", ["input_ids", "attention_mask"], ["text_embeds"]),
        ("S03-openclip/hps-gelu", ["image"], ["image_features_normalized"]),
        ("S03-openclip/hps-gelu", ["text"], ["text_features"]),
        ("S06-unet3d/time-embedding", ["timestep"], ["embedding"]),
        ("S11-schedulers/ddim-defaults", ["sample", "model_output"], ["sample.0"]),
        ("S12-pipelines/modelscope-fp16-no-guidance", ["latents"], ["frames"]),
    }.Select(part => new TestCaseData(part.Case, part.Inputs, part.Outputs).SetName($"{{m}}({part.Case}: {string.Join(", ", part.Outputs)})"));

    [TestCaseSource(nameof(Parts))]
    public void APartIsChecked(string name, string[] inputs, string[] outputs)
    {
        using var folder = new Copy(name, (kept, _) => inputs.Any(input => kept == $"in.{input}") || outputs.Any(output => kept == $"out.{output}"));
        folder.Run();
    }

    [TestCaseSource(nameof(Parts))]
    public void APartThatIsWrongFails(string name, string[] inputs, string[] outputs)
    {
        using var folder = new Copy(name, (kept, _) =>
            inputs.Any(input => kept == $"in.{input}") || outputs.Any(output => kept == $"out.{output}"), spoil: $"out.{outputs[0]}");
        Assert.That(folder.Run, Throws.InstanceOf<AssertionException>());
    }

    [Test]
    public void ACaseWithoutOutputsFails()
    {
        using var folder = new Copy("S06-unet3d/time-embedding", static (kept, _) => kept.StartsWith("in.", StringComparison.Ordinal));
        Assert.That(folder.Run, Throws.InstanceOf<AssertionException>().With.Message.Contains("no output"));
    }

    /// <summary>The strategy stands in the prompt's own suffix, the references beside it, and a reference is counted from its end.</summary>
    [Test]
    public void AMaskStrategyInThePromptIsFollowedByReferencesBesideIt()
    {
        using var folder = new Copy("S12-pipelines/opensora-reference", static (_, _) => true, json: (text, frames) =>
        {
            JsonNode arguments = text["arguments"]!;
            string strategy = arguments["mask_strategy"]![0]!.GetValue<string>();
            Assert.That(strategy, Does.StartWith("1,1,0,0,2,0;"), "the case as it was when this was written");
            strategy = $"1,1,-{frames},0,2,0;{strategy["1,1,0,0,2,0;".Length..]}";
            arguments["prompts"]![0] = arguments["prompts"]![0]!.GetValue<string>() + $$"""{"mask_strategy": "{{strategy}}"}""";
            arguments.AsObject().Remove("mask_strategy");
        });
        folder.Run();
    }

    /// <summary>A case's folder with some of its tensors.</summary>
    private sealed class Copy : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private readonly string _place;

        public Copy(string name, Func<string, string, bool> keep, string? spoil = null, Action<JsonNode, long>? json = null)
        {
            string source = Path.Combine(ConformanceCase.Root, name);
            _place = _folder.Path(name);
            foreach (string file in Directory.GetFiles(source, "*", SearchOption.AllDirectories))
            {
                _folder.Write(Path.Combine(name, Path.GetRelativePath(source, file)), File.ReadAllBytes(file));
            }

            using DisposeScope scope = NewDisposeScope();
            var kept = new Dictionary<string, Tensor>(StringComparer.Ordinal);
            using (var file = new SafetensorsFile(Path.Combine(source, "tensors.safetensors")))
            {
                foreach (string key in file.Entries.Keys.Where(key => keep(key, name)))
                {
                    Tensor value = file.Read(key);
                    kept[key] = key != spoil ? value : value.is_floating_point() ? value + value.abs().max() : value + 1;
                }
            }

            SafetensorsWriter.Write(Path.Combine(_place, "tensors.safetensors"), kept);
            if (json is not null)
            {
                string path = Path.Combine(_place, "case.json");
                JsonNode text = JsonNode.Parse(File.ReadAllText(path))!;
                json(text, kept["out.reference_latent.0.1"].shape[1]);
                File.WriteAllText(path, text.ToJsonString());
            }
        }

        public void Run() => ConformanceTests.Compare(ConformanceCase.Load(_place));

        public void Dispose() => _folder.Dispose();
    }
}
