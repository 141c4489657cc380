using System.IO.Compression;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// The reference's own graphs: TorchScript traces of diffusers' modules at the middle size, run on the same libtorch. They are unpacked to a temporary folder
/// that goes with the process.
/// </summary>
internal sealed class Peer : IDisposable
{
    public const string UNet = "unet3d-middle.pt";
    public const string UNetWithLora = "unet3d-middle-lora.pt";
    public const string VaeDecode = "vae-decode-middle.pt";
    public const string StableVideoUNetWithLora = "svd-unet-middle-lora.pt";
    public const string StableVideoDecode = "svd-decode-middle.pt";

    private static readonly PeerFolder s_folder = Find(UNet, UNetWithLora, VaeDecode);

    private static readonly string s_unpacked = Path.Combine(Path.GetTempPath(), $"video-alignment-peer-{Environment.ProcessId}");

    private readonly jit.ScriptModule _module;

    private Peer(jit.ScriptModule module) => _module = module;

    /// <summary>Where the graphs are, all of them; null: nothing is compared.</summary>
    public static string? Folder => s_folder.Path;

    /// <summary>Why nothing is compared.</summary>
    public static string Absence => s_folder.Absence;

    /// <summary>Says why graphs cannot be compared with.</summary>
    /// <param name="names">Their files.</param>
    /// <returns>A reason; null: all are there.</returns>
    public static string? FindAbsence(params string[] names) => Find(names) is { Path: null, Absence: var reason } ? reason : null;

    /// <summary>Loads a graph to the device of the benchmarks.</summary>
    /// <param name="name">Its file.</param>
    /// <returns>The graph; null: it is not there, and nothing is compared.</returns>
    public static Peer? Load(string name)
    {
        if (Find(name).Path is not { } folder)
        {
            return null;
        }

        Directory.CreateDirectory(s_unpacked);
        string path = Path.Combine(s_unpacked, name);
        using (var packed = new GZipStream(File.OpenRead(Path.Combine(folder, Packed(name))), CompressionMode.Decompress))
        using (FileStream unpacked = File.Create(path))
        {
            packed.CopyTo(unpacked);
        }

        try
        {
            jit.ScriptModule module = jit.load(path);
            module.to(BenchmarkDevice.Current);
            return new Peer(module);
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

    private static PeerFolder Find(params string[] names) =>
        PeerFolder.Find(Environment.GetEnvironmentVariable("PEER_DIR"), AppContext.BaseDirectory, [.. names.Select(Packed)]);

    private static string Packed(string name) => name + ".gz";
}
