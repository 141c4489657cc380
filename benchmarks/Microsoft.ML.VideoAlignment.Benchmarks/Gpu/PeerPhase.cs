using System.Globalization;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// The step that the released recipe makes, by our networks and by the reference's graphs in turn, at the middle size: denoising with adapters that are not
/// merged, the last step with gradient, a decode, and backward from the frames' mean. All is kept on both sides, since a graph cannot recompute.
/// </summary>
internal static class PeerPhase
{
    private const int DenoisingSteps = 5, Rounds = 3;

    /// <summary>Compares ModelScope and Stable Video Diffusion.</summary>
    /// <param name="report">Receives each comparison.</param>
    public static void Run(Action<CheckRow> report)
    {
        Measure("ModelScope, 16 x 192 x 192", [Peer.UNetWithLora, Peer.VaeDecode], ModelScope, report);
        Measure("Stable Video Diffusion, 14 x 192 x 192", [Peer.StableVideoUNetWithLora, Peer.StableVideoDecode], StableVideo, report);
    }

    private static void Measure(string name, string[] graphs, Func<Arrangement> make, Action<CheckRow> report)
    {
        if (Peer.FindAbsence(graphs) is { } reason)
        {
            report(new CheckRow(name, CheckVerdict.Skipped, reason));
            return;
        }

        using Arrangement ours = make();
        using Peer denoiser = Peer.Load(graphs[0])!, decoder = Peer.Load(graphs[1])!;
        try
        {
            // The first calls of a graph are slower: TorchScript rewrites it by what it sees.
            for (int warm = 0; warm < 2; warm++)
            {
                RunReference(ours, denoiser, decoder);
            }
        }
        catch (Exception exception) when (!CheckRow.LosesDevice(exception))
        {
            report(new CheckRow(name, CheckVerdict.Skipped, $"the reference's graph does not run on {BenchmarkDevice.Current}: {exception.Message}"));
            return;
        }

        ours.Step();
        var (mine, theirs) = (new List<double>(), new List<double>());
        for (int round = 0; round < Rounds; round++)
        {
            mine.Add(Compare.Seconds(ours.Step));
            theirs.Add(Compare.Seconds(() => RunReference(ours, denoiser, decoder)));
        }

        (double a, double b) = (Compare.Median(mine), Compare.Median(theirs));
        report(new CheckRow(
            name, CheckVerdict.Passed, string.Create(CultureInfo.InvariantCulture, $"medians of {Rounds} runs in turn, {DenoisingSteps} denoising steps"),
            new Dictionary<string, double> { ["ours, s"] = a, ["reference, s"] = b, ["ratio"] = a / b }));
    }

    private static void RunReference(Arrangement ours, Peer denoiser, Peer decoder)
    {
        RunStep(() => denoiser.Run(ours.ReferenceInputs), y => decoder.Run(ours.ReferenceLatents(y)));
        foreach (Tensor parameter in denoiser.Trainable)
        {
            parameter.grad?.zero_();
        }
    }

    private static void RunStep(Func<Tensor> predict, Func<Tensor, Tensor> decode)
    {
        using DisposeScope scope = NewDisposeScope();
        for (int step = 1; step < DenoisingSteps; step++)
        {
            using IDisposable guard = no_grad();
            predict().Dispose();
        }

        Recompute.Backward(decode(predict()).mean());
    }

    private static Arrangement ModelScope()
    {
        ModelSize size = ModelSize.Middle;
        ModelScopeUNet unet = Networks.UNet(size);
        AutoencoderKL vae = Networks.Vae(size);
        Tensor latents = Networks.Latents(size), text = Networks.Text(size);
        return new Arrangement(
            unet, vae, Networks.Adapters(unet, size), () => unet.Forward(latents, 500, text), y => vae.Decode(y.narrow(0, 0, 1).select(2, 0)),
            [latents, BenchmarkDevice.Move(tensor(500L)), text], y => y.narrow(0, 0, 1).select(2, 0));
    }

    private static Arrangement StableVideo()
    {
        const int Frames = 14, Decoded = 4;
        var config = new StableVideoDiffusionUNetConfig
        {
            BlockOutChannels = [64, 128, 256, 256],
            Heads = [2, 4, 8, 8],
            CrossAttentionWidth = [256, 256, 256, 256],
            AdditionTimeEmbedDim = 64,
            AdditionWidth = 192,
            Frames = Frames,
        };
        StableVideoDiffusionUNet unet = Networks.Filled(new StableVideoDiffusionUNet(config, BenchmarkDevice.Placement));
        AutoencoderKLTemporalDecoder vae = Networks.Filled(new AutoencoderKLTemporalDecoder(ModelSize.Middle.Vae, BenchmarkDevice.Placement));
        Tensor latents = Networks.Noise(1, 2, Frames, 8, 24, 24), image = Networks.Noise(2, 2, 1, 256), added = BenchmarkDevice.Move(ones(2, 3));
        Tensor ours = latents.transpose(1, 2).contiguous().DetachFromDisposeScope();
        return new Arrangement(
            unet, vae, Networks.Adapters(unet, ModelSize.Middle), () => unet.Forward(ours, 0.5, image, added),
            y => vae.Decode(y.select(0, 0).transpose(0, 1).narrow(0, 0, Decoded).contiguous(), Decoded),
            [latents, BenchmarkDevice.Move(tensor(0.5f)), image, added], y => y.select(0, 0).narrow(0, 0, Decoded).contiguous());
    }

    /// <summary>Our networks, and the inputs of both sides.</summary>
    /// <param name="Denoiser">The denoiser.</param>
    /// <param name="Decoder">The decoder.</param>
    /// <param name="Adapters">The denoiser's adapters.</param>
    /// <param name="Predict">Evaluates the denoiser on the inputs.</param>
    /// <param name="Decode">Decodes what the denoiser gave.</param>
    /// <param name="ReferenceInputs">Inputs of the reference's denoiser.</param>
    /// <param name="ReferenceLatents">Takes the latents to decode out of what the reference's denoiser gave.</param>
    private sealed record Arrangement(
        nn.Module Denoiser, nn.Module Decoder, LoraAdapters Adapters, Func<Tensor> Predict, Func<Tensor, Tensor> Decode, object[] ReferenceInputs,
        Func<Tensor, Tensor> ReferenceLatents) : IDisposable
    {
        public void Step()
        {
            RunStep(Predict, Decode);
            foreach (TorchSharp.Modules.Parameter parameter in Adapters.Parameters)
            {
                parameter.grad?.zero_();
            }
        }

        public void Dispose()
        {
            Adapters.Dispose();
            Denoiser.Dispose();
            Decoder.Dispose();
            foreach (Tensor input in ReferenceInputs.OfType<Tensor>())
            {
                input.Dispose();
            }
        }
    }
}
