using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using static Microsoft.ML.VideoAlignment.Tests.FuzzSeeds;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>LoRA weights in every format.</summary>
internal static class LoraReaders
{
    public static IEnumerable<FuzzReader> All()
    {
        string all = Path.Combine(ConformanceCase.Root, "S14-lora", "all-formats");
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
            FuzzReader.OfFile(name, file, path => LoraFile.Read(network.Value, path, format).Dispose(),
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
}
