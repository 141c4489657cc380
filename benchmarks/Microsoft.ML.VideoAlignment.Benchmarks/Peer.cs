using System.IO.Compression;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// The reference's own graphs: TorchScript traces of diffusers' modules at the middle size, run on the same libtorch. The folder is PEER_DIR, else
/// shared/peer in or beside the repository; they are unpacked to a temporary folder that goes with the process.
/// </summary>
internal sealed class Peer : IDisposable
{
    public const string UNet = "unet3d-middle.pt";
    public const string UNetWithLora = "unet3d-middle-lora.pt";
    public const string VaeDecode = "vae-decode-middle.pt";

    private static readonly string s_unpacked = Path.Combine(Path.GetTempPath(), $"video-alignment-peer-{Environment.ProcessId}");

    private readonly jit.ScriptModule _module;

    private Peer(jit.ScriptModule module) => _module = module;

    public static string? Folder { get; } = Find();

    /// <summary>Why nothing is compared.</summary>
    public static string Absence => "the reference's graphs are not here: set PEER_DIR to the folder that holds unet3d-middle.pt.gz";

    public static Peer? Load(string name)
    {
        if (Folder is null || !File.Exists(Path.Combine(Folder, name + ".gz")))
        {
            return null;
        }

        Directory.CreateDirectory(s_unpacked);
        string path = Path.Combine(s_unpacked, name);
        using (var packed = new GZipStream(File.OpenRead(Path.Combine(Folder, name + ".gz")), CompressionMode.Decompress))
        using (FileStream unpacked = File.Create(path))
        {
            packed.CopyTo(unpacked);
        }

        try
        {
            return new Peer(jit.load(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>The graph's parameters that require grad: its LoRA tensors.</summary>
    public IReadOnlyList<Tensor> Trainable => [.. _module.parameters().Where(parameter => parameter.requires_grad)];

    public Tensor Run(params object[] inputs) => (Tensor)_module.call(inputs);

    public void Dispose() => _module.Dispose();

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("PEER_DIR") is { Length: > 0 } named)
        {
            return Directory.Exists(named) ? named : null;
        }

        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "shared", "peer");
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }
}
